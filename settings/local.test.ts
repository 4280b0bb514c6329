import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { localSettings } from "./local";
import { SECRET_SETTINGS } from "./schema";

let home: string;
beforeEach(() => { home = mkdtempSync(path.join(tmpdir(), "home-")); });
afterEach(() => { rmSync(home, { recursive: true }); vi.unstubAllEnvs(); });

function write(file: string, text: string, mode = 0o600): string {
  const whole = path.join(home, file);
  mkdirSync(path.dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  chmodSync(whole, mode);
  return whole;
}

it("adds nothing without the machine's files", () => {
  expect(localSettings("dev", path.join(home, "nowhere"))).toEqual({});
});

it("reads the machine's settings, and only the secrets of that stack", () => {
  write("machine.json", '{"registry":"127.0.0.1:5001","models":{"leaveOut":[]}}', 0o644);
  write("secrets/dev/models.token", "mine\n");
  write("secrets/dev/tmdbApiKey", "key");
  write("secrets/gpu/registryLogin.password", "other");
  vi.stubEnv("CP_WHISPERX_HOME", home);
  expect(localSettings("dev")).toEqual({ registry: "127.0.0.1:5001", models: { leaveOut: [], token: "mine" }, tmdbApiKey: "key" });
  expect(localSettings("gpu")).toMatchObject({ registryLogin: { password: "other" } });
});

it.each([0o640, 0o604, 0o666])("rejects a secret that others can read, and does not print it: mode %o", (mode) => {
  const file = write("secrets/dev/tmdbApiKey", "hunter2", mode);
  expect(() => localSettings("dev", home)).toThrow(`${file} holds a secret that others can read; fix: chmod 600 '${file}'`);
});

it.each(["", "{", "[]", "1"])("rejects a machine.json that is not an object: %j", (text) => {
  const file = write("machine.json", text);
  expect(() => localSettings("dev", home)).toThrow(`${file} holds no JSON object; fix: make up writes it, or remove it`);
});

it("has a make secret for each secret", () => {
  const script = readFileSync(path.join(__dirname, "..", "toolchain", "secret.sh"), "utf8");
  expect(script).toContain(`SECRETS=(${SECRET_SETTINGS.map((keys) => keys.join(".")).join(" ")})`);
});
