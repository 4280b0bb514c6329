/** What Pulumi runs: the TypeScript program as one file. It is made at each run, in a tenth of a second, and so never stale. */
"use strict";

const { unlinkSync } = require("node:fs");
const { enableCompileCache } = require("node:module");
const path = require("node:path");
const { buildSync } = require("esbuild");

// From Node 22.1 on.
enableCompileCache?.();

// Two programs may start at once.
const outfile = path.join(__dirname, "build", `program-${process.pid}.cjs`);
buildSync({
  absWorkingDir: __dirname,
  entryPoints: ["index.ts"],
  bundle: true,
  platform: "node",
  target: "node20",
  packages: "external",
  outfile,
  logLevel: "error",
});
try {
  module.exports = require(outfile);
} finally {
  unlinkSync(outfile);
}
