/** Pulumi's entry point: bundles the TypeScript program into one file at each run (0.1 s), so it is never stale. */
"use strict";

const { unlinkSync } = require("node:fs");
const { enableCompileCache } = require("node:module");
const path = require("node:path");
const { buildSync } = require("esbuild");

// Node 22.1 and newer.
enableCompileCache?.();

// Two programs may run at once, so each has its own file.
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
