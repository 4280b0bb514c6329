/** A second machine: namespaces of this host with a separate engine, sshd and registry. */
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { command, eventually } from "../stack/command";
import { startTimeOf } from "./process";

/** A network reserved for tests between machines (RFC 2544). */
export const ADDRESS_HERE = "198.18.213.1";
const ADDRESS = "198.18.213.2";
const LINK = "cpw-second";
const LINK_HERE = `${LINK}0`;
const REGISTRY_PORT = 5443;

export const REGISTRY = `${ADDRESS}:${REGISTRY_PORT}`;
export const HOST = `ssh://root@${ADDRESS}`;
export const USERNAME = "deployer";

export interface MachineArgs {
  /** Folder for the machine's own files. */
  readonly folder: string;
  /** The programs sshd and registry. */
  readonly sshd: string;
  readonly registry: string;
  readonly password: string;
}

async function openssl(args: readonly string[], folder: string): Promise<void> {
  await command("openssl", args, { cwd: folder });
}

/** A certificate authority and a certificate for the registry: ca.pem, registry.pem, registry.key. */
async function makeCertificates(folder: string): Promise<void> {
  const fresh = (key: string): string[] => ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key];
  await openssl([...fresh("ca.key"), "-out", "ca.pem", "-subj", "/CN=authority of the second machine"], folder);
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", `subjectAltName=IP:${ADDRESS}`];
  await openssl([...fresh("registry.key"), "-out", "registry.pem", "-subj", `/CN=${ADDRESS}`, ...signed], folder);
}

/** The line of an htpasswd file, as `htpasswd -B` writes it. */
async function passwordLine(password: string): Promise<string> {
  const program = "import crypt, os; print(crypt.crypt(os.environ['PASSWORD'], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2**6)))";
  const { stdout } = await command("python3", ["-W", "ignore", "-c", program], { env: { ...process.env, PASSWORD: password } });
  return `${USERNAME}:${stdout}`;
}

const registrySettings = (): string => `version: 0.1
log:
  accesslog:
    disabled: false
storage:
  filesystem:
    rootdirectory: /srv/registry
auth:
  htpasswd:
    realm: second machine
    path: /etc/registry.htpasswd
http:
  addr: ${REGISTRY}
  tls:
    certificate: /etc/registry.pem
    key: /etc/registry.key
`;

/** Each docker command is one ssh connection; on a busy machine many wait for their login at the same time. */
const SSHD_SETTINGS = `Port 22
ListenAddress ${ADDRESS}
HostKey /etc/ssh/second-machine
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 200
LoginGraceTime 0
`;

/** Ends a machine that an earlier run left behind, and removes its link and its folder. */
export async function removeMachine(folder: string): Promise<void> {
  const note = path.join(folder, "process.json");
  if (existsSync(note)) {
    const { process: id, started } = JSON.parse(readFileSync(note, "utf8")) as { process: number; started: string };
    if (startTimeOf(id) === started) {
      process.kill(id, "SIGKILL");
      await eventually("the end of the second machine", () => (startTimeOf(id) === started ? undefined : true));
    }
  }
  await command("ip", ["link", "delete", LINK_HERE], { expected: "either" });
  await removeControlGroups();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}

/** The kernel releases a cgroup only some moments after its last process has ended. */
async function removeControlGroups(): Promise<void> {
  const { stdout } = await command("find", ["/sys/fs/cgroup", "-maxdepth", "2", "-type", "d", "-name", "second-machine"]);
  for (const group of stdout.split("\n").filter((line) => line !== "")) {
    await eventually(`the removal of ${group}`, async () =>
      (await command("find", [group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], { expected: "either" })).code === 0 || undefined,
    );
  }
}

export class SecondMachine {
  private running?: ChildProcess;

  constructor(private readonly args: MachineArgs) {}

  /** This host's path of a file or folder with that path on the machine. */
  path(there: string): string {
    return path.join(this.args.folder, "root", there);
  }

  /** A file for this machine's clients, outside the machine's root. */
  private here(name: string): string {
    return path.join(this.args.folder, name);
  }

  /** The certificate authority of the machine's registry. */
  get authority(): string {
    return this.here("ca.pem");
  }

  /** Folder with an `ssh` that knows the machine and its key. Put it first on the PATH. */
  get programs(): string {
    return this.here("programs");
  }

  /** Creates the machine's files. */
  async prepare(): Promise<void> {
    for (const folder of ["srv", "usr/local/sbin", "var/lib/docker", "var/log"]) mkdirSync(this.path(folder), { recursive: true });
    for (const folder of ["/etc/docker", "/srv"]) mkdirSync(folder, { recursive: true });
    await command("cp", ["--archive", "/etc", this.path("etc")]);
    await Promise.all([this.prepareSsh(), this.prepareRegistry()]);
    this.prepareGpus();
  }

  private async prepareSsh(): Promise<void> {
    for (const [key, place] of [["user", this.here("user")], ["host", this.path("etc/ssh/second-machine")]] as const) {
      mkdirSync(path.dirname(place), { recursive: true });
      await command("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", place]);
    }
    writeFileSync(this.path("etc/ssh/sshd_config"), SSHD_SETTINGS);
    copyFileSync(this.here("user.pub"), this.path("etc/ssh/authorized_keys"));
    // The user for sshd's privilege separation, and a root that can log in with a key.
    const users = readFileSync(this.path("etc/passwd"), "utf8");
    if (!/^sshd:/m.test(users)) writeFileSync(this.path("etc/passwd"), `${users}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n`);
    const shadow = readFileSync(this.path("etc/shadow"), "utf8");
    writeFileSync(this.path("etc/shadow"), shadow.replace(/^root:[^:]*/m, "root:*"));

    writeFileSync(this.here("known_hosts"), `${ADDRESS} ${readFileSync(this.path("etc/ssh/second-machine.pub"), "utf8")}`);
    const settings = [`UserKnownHostsFile ${this.here("known_hosts")}`, "StrictHostKeyChecking yes", `IdentityFile ${this.here("user")}`, "IdentitiesOnly yes"];
    writeFileSync(this.here("ssh_config"), `Host ${ADDRESS}\n  ${settings.join("\n  ")}\n`);
    const { stdout } = await command("sh", ["-c", "command -v ssh"]);
    mkdirSync(this.programs);
    writeFileSync(path.join(this.programs, "ssh"), `#!/bin/sh\nexec ${stdout.trim()} -F '${this.here("ssh_config")}' "$@"\n`, { mode: 0o755 });
  }

  private async prepareRegistry(): Promise<void> {
    await makeCertificates(this.args.folder);
    for (const file of ["registry.pem", "registry.key"]) copyFileSync(this.here(file), this.path(`etc/${file}`));
    writeFileSync(this.path("etc/registry.yml"), registrySettings());
    writeFileSync(this.path("etc/registry.htpasswd"), await passwordLine(this.args.password));
    // The engine's folder for the certificate authority of a registry.
    mkdirSync(this.path(`etc/docker/certs.d/${REGISTRY}`), { recursive: true });
    copyFileSync(this.authority, this.path(`etc/docker/certs.d/${REGISTRY}/ca.crt`));
  }

  private prepareGpus(): void {
    for (const [source, program] of [["nvidia-container-runtime-hook.py", "nvidia-container-runtime-hook"], ["nvidia-smi.sh", "nvidia-smi"]] as const) {
      copyFileSync(path.join(__dirname, source), this.path(`usr/local/sbin/${program}`));
      chmodSync(this.path(`usr/local/sbin/${program}`), 0o755);
    }
  }

  /** Starts it, and resolves when its engine and its registry answer. */
  async start(): Promise<void> {
    const log = openSync(this.here("machine.log"), "a");
    const namespaces = ["--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--propagation", "slave", "--net", "--uts"];
    const { sshd, registry } = this.args;
    const first = ["bash", path.join(__dirname, "machine.sh"), path.join(this.args.folder, "root"), LINK, ADDRESS, sshd, registry];
    const running = spawn("unshare", [...namespaces, ...first], { stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    this.running = running;
    const id = running.pid ?? 0;
    writeFileSync(this.here("process.json"), JSON.stringify({ process: id, started: startTimeOf(id) }));
    const inside = await eventually("the first process of the second machine", () => {
      if (startTimeOf(id) === undefined) throw new Error(`the second machine has ended:\n${this.logs()}`);
      return readFileSync(`/proc/${id}/task/${id}/children`, "utf8").trim() || undefined;
    });
    await command("ip", ["link", "add", LINK_HERE, "type", "veth", "peer", "name", LINK, "netns", inside]);
    await command("ip", ["address", "add", `${ADDRESS_HERE}/30`, "dev", LINK_HERE]);
    await command("ip", ["link", "set", LINK_HERE, "up"]);
    await this.answers("its engine", "docker", ["version"]);
    await this.answers("its registry", "curl", ["--silent", "--cacert", this.authority, `https://${REGISTRY}/v2/`]);
  }

  private async answers(what: string, program: string, args: readonly string[]): Promise<void> {
    await eventually(`an answer of ${what}`, async () => {
      if (this.running?.exitCode !== null) throw new Error(`expected an answer of ${what}, and the second machine has ended:\n${this.logs()}`);
      return (await command(program, args, { expected: "either", env: this.environment })).code === 0 || undefined;
    });
  }

  /** The environment in which a docker command reaches its engine. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${this.programs}:${process.env.PATH ?? ""}`, DOCKER_HOST: HOST };
  }

  /** The logs of its programs, with the file names. */
  logs(): string {
    const files = readdirSync(this.path("var/log"), { withFileTypes: true }).filter((entry) => entry.isFile());
    const texts = files.map(({ name }) => `${name}:\n${readFileSync(this.path(`var/log/${name}`), "utf8")}`);
    return [readFileSync(this.here("machine.log"), "utf8"), ...texts].join("\n");
  }
}
