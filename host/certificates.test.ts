import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { rootCertificates } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { publicCertificates, privateCertificates, readCertificates } from "./certificates";

const OWN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
const MOZILLA = "/usr/share/ca-certificates/mozilla";

const folder = mkdtempSync(path.join(tmpdir(), "certificates-"));
afterAll(() => { rmSync(folder, { recursive: true }); });

describe("privateCertificates", () => {
  it("keeps the host's private CAs, with any line breaks", () => {
    const bundle = [`# a comment\n${rootCertificates[0]?.replaceAll("\n", "\r\n")}`, OWN, rootCertificates[1]].join("\n");
    expect(privateCertificates(bundle, rootCertificates)).toBe(`${OWN}\n`);
    expect(privateCertificates("", rootCertificates)).toBe("");
  });
});

describe("readCertificates", () => {
  it("keeps nothing of Debian's own bundle, whatever list Node has", () => {
    const debian = readdirSync(MOZILLA).map((file) => readFileSync(path.join(MOZILLA, file), "utf8")).join("");
    expect(debian.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(100);
    expect(privateCertificates(debian, publicCertificates())).toBe("");
    const file = path.join(folder, "bundle.pem");
    writeFileSync(file, `${debian}${OWN}\n`);
    expect(readCertificates(file)).toBe(`${OWN}\n`);
  });

  it("names an unreadable file, and the command that sets another one", () => {
    expect(() => readCertificates("/nowhere.pem")).toThrow(/certificates: cannot read "\/nowhere.pem".*pulumi config set certificates/);
  });
});
