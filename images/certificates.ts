/** The certificates that builds trust beside those of the base image. */
import { existsSync, readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import * as pulumi from "@pulumi/pulumi";

const HOST_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/**
 * The PEM certificates that builds trust beside those of the base image: of the file that is set, else of the host's
 * bundle, without the public ones that every image has already. The rest is few, and stands in the state per image.
 * @throws RunError where the file that is set cannot be read.
 */
export function readCertificates(setting: string | undefined): string | undefined {
  const file = setting ?? (existsSync(HOST_CERTIFICATES) ? HOST_CERTIFICATES : undefined);
  if (file === undefined) return undefined;
  try {
    const own = hostCertificates(readFileSync(file, "utf8"), rootCertificates);
    return own === "" ? undefined : own;
  } catch (error) {
    throw new pulumi.RunError(
      `certificates: cannot read ${JSON.stringify(file)} (${(error as Error).message}); ` +
        `mend: pulumi config set certificates ${HOST_CERTIFICATES}`,
    );
  }
}

/** The certificates of a bundle that are not among the public ones, as one PEM text. */
export function hostCertificates(bundle: string, publicOnes: readonly string[]): string {
  const withoutSpace = (certificate: string): string => certificate.replace(/\s/g, "");
  const known = new Set(publicOnes.map(withoutSpace));
  const own = (bundle.match(CERTIFICATE) ?? []).filter((certificate) => !known.has(withoutSpace(certificate)));
  return own.map((certificate) => `${certificate}\n`).join("");
}
