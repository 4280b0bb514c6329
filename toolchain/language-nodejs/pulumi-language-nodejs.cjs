#!/usr/bin/env node
/**
 * Pulumi's Node language host, for machines where the official one cannot be downloaded.
 *
 * The engine starts it in the program's folder with its own address as last argument, reads a port from its standard
 * output and then asks it by gRPC to run the program, which the SDK's own runner does (@pulumi/pulumi/cmd/run).
 * Everything it needs comes from the program's node_modules.
 */
"use strict";

const { spawn } = require("node:child_process");
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

/** The runner's exit status after an error that it has already reported to the engine. */
const STATUS_ALREADY_REPORTED = 32;

/** Interval in milliseconds at which the host checks that the engine still runs. */
const ENGINE_WATCH_INTERVAL = 1000;

/** Resolves modules as a file in the folder would. */
const requireFrom = (folder) => createRequire(path.join(folder, "program.js"));

/** The SDK's generated messages and gRPC itself, or an error that says how to get them. */
function loadSdk(folder) {
  const load = requireFrom(folder);
  try {
    return {
      grpc: load("@grpc/grpc-js"),
      service: load("@pulumi/pulumi/proto/language_grpc_pb.js").LanguageRuntimeService,
      language: load("@pulumi/pulumi/proto/language_pb.js"),
      plugin: load("@pulumi/pulumi/proto/plugin_pb.js"),
      Empty: load("google-protobuf/google/protobuf/empty_pb.js").Empty,
      version: load("@pulumi/pulumi/package.json").version,
    };
  } catch (error) {
    throw new Error(`@pulumi/pulumi is not installed for ${folder}: run npm ci there (${error.message.split("\n")[0]})`);
  }
}

/** The parsed package.json of a folder; undefined if there is none. */
function readPackage(folder) {
  try {
    return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The folder at or above the given one that holds a package.json, which may be the program's entry point itself. */
function packageFolder(folder) {
  if (readPackage(folder)) return folder;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : packageFolder(parent);
}

/** The installed package.json of a dependency: in the program's folder or one above it. */
function installedPackage(folder, name) {
  const found = readPackage(path.join(folder, "node_modules", name));
  const parent = path.dirname(folder);
  return found || parent === folder ? found : installedPackage(parent, name);
}

/** The installed direct dependencies of a program, as their package.json files. */
function dependencies(programFolder) {
  const folder = packageFolder(programFolder);
  if (!folder) return [];
  return Object.keys(readPackage(folder).dependencies ?? {})
    .map((name) => installedPackage(folder, name))
    .filter((found) => found !== undefined);
}

/** Configuration keys as the SDK expects them: "project:key" becomes "project:config:key". */
function sdkConfiguration(entries) {
  return Object.fromEntries(entries.map(([key, value]) => [key.replace(":", ":config:"), value]));
}

/** The runner's arguments for a request. */
function runnerArguments(request, engineAddress) {
  const info = request.getInfo();
  const flags = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info.getRootDirectory(),
    stack: request.getStack(),
    pwd: info.getProgramDirectory(),
    parallel: request.getParallel(),
  };
  const given = Object.entries(flags).filter(([, value]) => value);
  return [
    ...given.flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info.getEntryPoint(),
    ...request.getArgsList(),
  ];
}

/** The runner's environment. */
function runnerEnvironment(request, options) {
  return {
    ...process.env,
    PULUMI_NODEJS_TYPESCRIPT: String(options.typescript ?? true),
    PULUMI_CONFIG: JSON.stringify(sdkConfiguration(request.getConfigMap().toArray())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
  };
}

/** Runs a process to its end; calls back with a message if it did not start or a signal ended it. */
function supervise(children, command, args, settings, finished) {
  const child = spawn(command, args, settings);
  children.add(child);
  const finish = (status, problem) => {
    if (children.delete(child)) finished(status, problem);
  };
  child.on("error", (error) => finish(undefined, `${command} did not start: ${error.message}`));
  child.on("close", (status, signal) => finish(status, signal ? `the program was ended by ${signal}` : undefined));
  return child;
}

/** The answers to the engine's calls. */
function handlers(sdk, engineAddress, children) {
  const { language, plugin } = sdk;

  const fail = (callback, error) => callback({ code: sdk.grpc.status.UNKNOWN, message: error.message });
  const guarded = (answer) => (call, callback) => {
    try {
      answer(call, callback);
    } catch (error) {
      fail(callback, error);
    }
  };

  const runFinished = (callback) => (status, problem) => {
    const response = new language.RunResponse();
    if (status === STATUS_ALREADY_REPORTED) response.setBail(true);
    else if (problem) response.setError(problem);
    else if (status !== 0) response.setError(`Program exited with non-zero exit code: ${status}`);
    callback(null, response);
  };

  const requiredPackage = ({ pulumi, version }) => {
    const dependency = new plugin.PackageDependency();
    dependency.setName(pulumi.name);
    dependency.setKind("resource");
    dependency.setVersion(`v${pulumi.version ?? version}`);
    if (pulumi.server) dependency.setServer(pulumi.server);
    return dependency;
  };

  const dependencyInfo = ({ name, version }) => {
    const dependency = new language.DependencyInfo();
    dependency.setName(name);
    dependency.setVersion(version);
    return dependency;
  };

  return {
    handshake(call, callback) {
      callback(null, new language.LanguageHandshakeResponse());
    },

    getPluginInfo(call, callback) {
      const response = new plugin.PluginInfo();
      response.setVersion(sdk.version);
      callback(null, response);
    },

    about(call, callback) {
      const response = new language.AboutResponse();
      response.setExecutable(process.execPath);
      response.setVersion(process.version);
      callback(null, response);
    },

    getRequiredPackages: guarded((call, callback) => {
      const response = new language.GetRequiredPackagesResponse();
      const providers = dependencies(call.request.getInfo().getProgramDirectory()).filter(
        ({ pulumi }) => pulumi?.resource && pulumi.name,
      );
      response.setPackagesList(providers.map(requiredPackage));
      callback(null, response);
    }),

    getProgramDependencies: guarded((call, callback) => {
      const response = new language.GetProgramDependenciesResponse();
      response.setDependenciesList(dependencies(call.request.getInfo().getProgramDirectory()).map(dependencyInfo));
      callback(null, response);
    }),

    run: guarded((call, callback) => {
      const { request } = call;
      const folder = request.getInfo().getProgramDirectory();
      const options = request.getInfo().getOptions()?.toJavaScript() ?? {};
      const runner = requireFrom(folder).resolve("@pulumi/pulumi/cmd/run");
      const nodeArguments = String(options.nodeargs ?? "").split(" ").filter(Boolean);
      const child = supervise(
        children,
        process.execPath,
        [...nodeArguments, runner, ...runnerArguments(request, engineAddress)],
        { stdio: ["ignore", "inherit", "inherit"], env: runnerEnvironment(request, options) },
        runFinished(callback),
      );
      call.on("cancelled", () => child.kill("SIGTERM"));
    }),

    installDependencies(call) {
      const send = (setter) => (data) => {
        const response = new language.InstallDependenciesResponse();
        response[setter](data);
        call.write(response);
      };
      const child = supervise(
        children,
        "npm",
        ["install", "--no-audit", "--no-fund"],
        { cwd: call.request.getInfo().getProgramDirectory(), stdio: ["ignore", "pipe", "pipe"] },
        (status, problem) => {
          if (status === 0) call.end();
          else call.destroy({ code: sdk.grpc.status.UNKNOWN, message: problem ?? `npm install ended with status ${status}` });
        },
      );
      child.stdout?.on("data", send("setStdout"));
      child.stderr?.on("data", send("setStderr"));
    },

    cancel(call, callback) {
      for (const child of children) child.kill("SIGTERM");
      callback(null, new sdk.Empty());
    },
  };
}

/** Ends the program and the host if the engine, our parent process, has died. */
function endWithEngine(children) {
  const engine = process.ppid;
  const watch = () => {
    if (process.ppid === engine) return;
    for (const child of children) child.kill("SIGTERM");
    process.exit(1);
  };
  setInterval(watch, ENGINE_WATCH_INTERVAL).unref();
}

/** Starts the gRPC server on a free loopback port and prints the port for the engine. */
function serve(sdk, engineAddress) {
  const children = new Set();
  const server = new sdk.grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(sdk.service, handlers(sdk, engineAddress, children));
  server.bindAsync("127.0.0.1:0", sdk.grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    process.stdout.write(`${port}\n`);
  });
  endWithEngine(children);
}

/** The engine's address: the only argument that is not a flag. */
function engineArgument(args) {
  const address = args.filter((argument) => !argument.startsWith("-")).pop();
  if (!address) throw new Error("the engine's address is missing: this program is started by pulumi, not by hand");
  return address;
}

module.exports = { dependencies, engineArgument, handlers, runnerArguments, runnerEnvironment, sdkConfiguration, supervise };

if (require.main === module) {
  try {
    const engineAddress = engineArgument(process.argv.slice(2));
    serve(loadSdk(process.cwd()), engineAddress);
  } catch (error) {
    process.stderr.write(`pulumi-language-nodejs: ${error.message}\n`);
    process.exit(1);
  }
}
