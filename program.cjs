/** Pulumi's entry point: bundles the TypeScript program into one file at each run (0.1 s), so it is never stale. */
"use strict";

const { enableCompileCache } = require("node:module");
const path = require("node:path");
const { buildSync } = require("esbuild");

// Node 22.1 and newer.
enableCompileCache?.();

const { outputFiles: [bundle] } = buildSync({
  absWorkingDir: __dirname,
  entryPoints: ["index.ts"],
  bundle: true,
  platform: "node",
  target: "node20",
  packages: "external",
  write: false,
  logLevel: "error",
});
// A fixed name, by which Node's compile cache finds the program again. No such file exists, so that two programs may run at once.
module._compile(bundle.text, path.join(__dirname, "build", "program.cjs"));
