/** The certificates that builds trust beside those of the base image. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { rootCertificates } from "node:tls";
import * as pulumi from "@pulumi/pulumi";

const HOST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** Where distributions keep Mozilla's list before they make their bundle of it: Debian, Ubuntu and Alpine; Fedora and its kin. */
const PUBLIC_CERTIFICATES = ["/usr/share/ca-certificates/mozilla", "/usr/share/pki/ca-trust-source"];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/**
 * The private authorities of the file that is set, else of the host's bundle, as PEM; empty where there are none. The public
 * ones are in every base image: without them a few kilobytes are left, which stand in the state once per image.
 * @throws RunError where the file that is set cannot be read.
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

/** Mozilla's list as Node has it and as the host's distribution has it: the two are rarely of one age. */
export function publicCertificates(): string[] {
  const files = PUBLIC_CERTIFICATES.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => path.join(folder, name)),
  );
  return [...rootCertificates, ...files.flatMap((file) => readFileSync(file, "utf8").match(CERTIFICATE) ?? [])];
}

/** The certificates of a bundle that are not among the public ones, as one PEM text. */
export function privateCertificates(bundle: string, publicOnes: readonly string[]): string {
  const withoutSpace = (certificate: string): string => certificate.replace(/\s/g, "");
  const known = new Set(publicOnes.map(withoutSpace));
  const own = (bundle.match(CERTIFICATE) ?? []).filter((certificate) => !known.has(withoutSpace(certificate)));
  return own.map((certificate) => `${certificate}\n`).join("");
}
