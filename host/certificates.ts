/** The certificates that builds trust in addition to the base image's. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { rootCertificates } from "node:tls";
import * as pulumi from "@pulumi/pulumi";

const HOST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** Where distributions keep Mozilla's list, the source of their bundle: Debian, Ubuntu and Alpine; Fedora and its derivatives. */
const PUBLIC_CERTIFICATES = ["/usr/share/ca-certificates/mozilla", "/usr/share/pki/ca-trust-source"];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/**
 * The private CAs in the configured file or else in the host's bundle, as PEM; empty if there are none. Public CAs are in every
 * base image, and would add the whole bundle to the state of each image.
 * @param setting file of PEM certificates, such as `/etc/ssl/company.pem`. Default: the host's bundle.
 * @throws RunError if the file cannot be read.
 */
export function readCertificates(setting: string | undefined): string {
  const file = setting ?? (existsSync(HOST_CERTIFICATES) ? HOST_CERTIFICATES : undefined);
  if (file === undefined) return "";
  try {
    return privateCertificates(readFileSync(file, "utf8"), publicCertificates());
  } catch (error) {
    throw new pulumi.RunError(
      `certificates: cannot read ${JSON.stringify(file)} (${(error as Error).message}); ` +
        `fix: pulumi config set certificates ${HOST_CERTIFICATES}`,
    );
  }
}

/** Mozilla's list in Node and in the host's distribution: they are rarely the same version. */
export function publicCertificates(): string[] {
  const files = PUBLIC_CERTIFICATES.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => path.join(folder, name)),
  );
  return [...rootCertificates, ...files.flatMap((file) => readFileSync(file, "utf8").match(CERTIFICATE) ?? [])];
}

/** The certificates of a bundle that are not public ones, as one PEM text. */
export function privateCertificates(bundle: string, publicOnes: readonly string[]): string {
  const withoutSpace = (certificate: string): string => certificate.replace(/\s/g, "");
  const known = new Set(publicOnes.map(withoutSpace));
  const own = (bundle.match(CERTIFICATE) ?? []).filter((certificate) => !known.has(withoutSpace(certificate)));
  return own.map((certificate) => `${certificate}\n`).join("");
}
