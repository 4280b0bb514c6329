import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings";
import { describeAt } from "../settings/paths";
import { buildsOnly } from "./purpose";

/** Warns if the results will belong to the default `user` and whoever deploys is neither that user nor root. Not for a remote engine. */
export async function warnOfOtherOwner({ host, user, films, stack }: Pick<Settings, "host" | "user" | "films" | "stack">): Promise<void> {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  if (buildsOnly() || host !== undefined || user !== describeAt(["user"])?.default || [undefined, 0, Number.parseInt(user)].includes(uid)) return;
  await pulumi.log.warn(`${films.out} will belong to ${user}; fix: pulumi config set user ${uid}:${gid} --stack ${stack}`);
}
