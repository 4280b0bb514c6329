/** A registry that accepts everybody by HTTP, which the builder uses on this machine, and answers 401 by HTTPS, which the provider uses. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as https from "node:https";
import * as net from "node:net";
import * as path from "node:path";

/** First byte of a TLS connection. */
const HANDSHAKE = 0x16;

export class UnauthorizedRegistry {
  /** File with the certificate that clients must trust. */
  public readonly certificate: string;
  /** How many requests got status 401. */
  public refused = 0;
  private readonly server: net.Server;
  private readonly connections = new Set<net.Socket>();

  /** In front of the registry at the address (`host:port`); writes certificate and key to the folder. */
  constructor(folder: string, registry: string) {
    const key = path.join(folder, "key.pem");
    this.certificate = path.join(folder, "certificate.pem");
    execFileSync("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"],
      ...["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", this.certificate],
    ], { stdio: "pipe" });
    const refusing = https.createServer({ key: readFileSync(key), cert: readFileSync(this.certificate) }, (_, response) => {
      this.refused++;
      response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
    });
    const [host = "", port] = registry.split(":");
    this.server = net.createServer((socket) => {
      this.connections.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.connections.delete(socket));
      socket.once("data", (first: Buffer) => {
        socket.pause();
        socket.unshift(first);
        if (first[0] === HANDSHAKE) {
          refusing.emit("connection", socket);
          return;
        }
        const upstream = net.connect(Number(port), host);
        upstream.on("error", () => socket.destroy());
        socket.on("close", () => upstream.destroy());
        socket.pipe(upstream).pipe(socket);
      });
    });
  }

  /** Listens on a free port. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  /** Also closes open connections: builders keep theirs alive. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const connection of this.connections) connection.destroy();
    await closed;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }
}
