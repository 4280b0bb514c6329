import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { hostCertificates, readCertificates } from "./certificates";

describe("hostCertificates", () => {
  it("keeps what the host alone trusts, however the lines are broken", () => {
    const own = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    const bundle = [`# a comment\n${rootCertificates[0]?.replaceAll("\n", "\r\n")}`, own, rootCertificates[1]].join("\n");
    expect(hostCertificates(bundle, rootCertificates)).toBe(`${own}\n`);
    expect(hostCertificates("", rootCertificates)).toBe("");
  });
});

it("names a file of certificates that cannot be read, with the way out", () => {
  expect(() => readCertificates("/nowhere.pem")).toThrow(/certificates: cannot read "\/nowhere.pem".*pulumi config set certificates/);
});
