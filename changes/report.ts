/** Records what Pulumi changes, and ends each preview and each deployment with a summary of it. */
import * as pulumi from "@pulumi/pulumi";
import { deployedResources, keyOf, VOLUME } from "../host/deployed";
import { buildsOnly } from "../host/purpose";
import { kindOf, type Change, type Inputs, type Kind, type Reason } from "./change";
import { withRemoved } from "./differences";
import { reasons, replacementReasons } from "./reasons";
import { details, summary } from "./summary";

/** Resolves when Pulumi has finished a resource, with or without an error. */
async function registered(resource: pulumi.Resource): Promise<void> {
  await Promise.resolve(); // the URN is set once the constructor has returned
  await new Promise((resolve) => pulumi.recover(resource.urn, () => "").apply(resolve));
}

/** The resources that a program declares, and their changes. */
export class ChangeReport {
  private readonly declared = new Map<string, Promise<void>>();
  private readonly changes = new Map<string, Change>();
  private readonly finished = new Set<string>();
  /** The state before anything changes. */
  readonly deployed = deployedResources();
  /** No hooks for removals: Pulumi does not call them without a running program, as in `pulumi destroy`. */
  private readonly hooks: pulumi.ResourceHookBinding = {
    beforeCreate: [new pulumi.ResourceHook("changes-create", (args) => this.begin(args), { onDryRun: true })],
    beforeUpdate: [new pulumi.ResourceHook("changes-update", (args) => this.begin(args), { onDryRun: true })],
    afterCreate: [new pulumi.ResourceHook("changes-created", (args) => { this.finish(args); }, { onDryRun: true })],
    afterUpdate: [new pulumi.ResourceHook("changes-updated", (args) => { this.finish(args); }, { onDryRun: true })],
  };

  /** Stack transformation that adds the hooks to every reported resource. */
  readonly watch: pulumi.ResourceTransformation = ({ resource, type, name, props, opts }) => {
    if (kindOf(type) === undefined) return undefined;
    this.declared.set(keyOf(type, name), registered(resource));
    return { props, opts: { ...opts, hooks: this.hooks } };
  };

  /**
   * Adds volumes that a command creates again because they were removed by hand: Pulumi considers their resources unchanged.
   *
   * @param names of the volumes' resources. Example: `["model-cache"]`.
   */
  recreates(names: readonly string[]): void {
    const reasonsOf: readonly Reason[] = [{ text: "removed", certain: true }];
    for (const name of names) {
      this.changes.set(keyOf(VOLUME, name), { kind: "volumes", name, operation: "create", reasons: reasonsOf, failed: false });
    }
  }

  /** Prints the summary, after the details if CP_WHISPERX_DETAIL is yes. */
  async print(): Promise<void> {
    await Promise.all(this.declared.values());
    const preview = pulumi.runtime.isDryRun();
    const changes = [...this.begun(), ...(await this.removed())];
    const lines = process.env.CP_WHISPERX_DETAIL === "yes" ? details(changes) : [];
    await pulumi.log.info([...lines, summary(changes, this.totals(), preview)].join("\n"));
  }

  private async begin({ type, name, oldInputs, newInputs = {} }: pulumi.ResourceHookArgs): Promise<void> {
    const [kind, key] = [kindOf(type), keyOf(type, name)];
    // The update of a command is a no-op: see volumes/one-shot.ts.
    if (kind === undefined || (kind === "commands" && oldInputs !== undefined)) return;
    // Pulumi reports a replacement as a creation without old inputs.
    const deployed: Inputs | undefined = oldInputs ?? (await this.deployed).get(key);
    const operation = deployed === undefined ? "create" : oldInputs === undefined ? "replace" : "update";
    const asked = oldInputs === undefined ? newInputs : withRemoved(oldInputs, newInputs);
    const explain = operation === "replace" ? replacementReasons : reasons;
    this.changes.set(key, { kind, name, operation, reasons: deployed === undefined || kind === "commands" ? [] : explain(kind, deployed, asked) });
  }

  private finish({ type, name }: pulumi.ResourceHookArgs): void {
    this.finished.add(keyOf(type, name));
  }

  /** Started changes, in the order of the program. */
  private begun(): Change[] {
    return [...this.declared.keys()].flatMap((key) => {
      const change = this.changes.get(key);
      return change === undefined ? [] : [{ failed: !this.finished.has(key), ...change }];
    });
  }

  /** Resources that are deployed but no longer declared. A targeted run removes none. */
  private async removed(): Promise<Change[]> {
    if (buildsOnly()) return [];
    const gone = [...(await this.deployed).keys()].filter((key) => !this.declared.has(key));
    return gone.flatMap((key) => {
      const [type = "", name = ""] = key.split("::");
      const kind = kindOf(type);
      return kind === undefined || kind === "commands" ? [] : [{ kind, name, operation: "remove" as const, reasons: [] }];
    });
  }

  private totals(): Partial<Record<Kind, number>> {
    const totals: Partial<Record<Kind, number>> = {};
    for (const key of this.declared.keys()) {
      const kind = kindOf(key.split("::")[0] ?? "");
      if (kind !== undefined) totals[kind] = (totals[kind] ?? 0) + 1;
    }
    return totals;
  }
}

/** Runs a program with the report of its changes, then prints what a preview would change and why, or what a deployment has changed. */
export async function reportingChanges<T>(program: (report: ChangeReport) => Promise<T>): Promise<T> {
  const report = new ChangeReport();
  pulumi.runtime.registerStackTransformation(report.watch);
  const outputs = await program(report);
  await report.print();
  return outputs;
}
