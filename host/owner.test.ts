import * as pulumi from "@pulumi/pulumi";
import { afterEach, expect, it, vi } from "vitest";
import { warnOfOtherOwner } from "./owner";

const settings = { stack: "dev", user: "1000:1000", host: undefined, films: { in: "films/in", out: "films/out", config: "films/config" } };
afterEach(() => { vi.restoreAllMocks(); });

it.each([
  ["another user", 1001, {}, ["films/out will belong to 1000:1000; fix: pulumi config set user 1001:1002 --stack dev"]],
  ["that user", 1000, {}, []],
  ["root", 0, {}, []],
  ["a user who chose another owner", 1001, { user: "2000:2000" }, []],
  ["a user of a remote engine", 1001, { host: "ssh://me@gpu-1" }, []],
])("warns %s", async (_, uid, other, expected) => {
  vi.spyOn(process, "getuid").mockReturnValue(uid);
  vi.spyOn(process, "getgid").mockReturnValue(1002);
  const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  await warnOfOtherOwner({ ...settings, ...other });
  expect(warn.mock.calls.flat()).toEqual(expected);
});
