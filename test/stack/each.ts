/** Runs around every test: none inherits what another one has left, and none waits for a repair that failed before. */
import { beforeAll, beforeEach } from "vitest";
import { Stack } from "./stack";

const stack = new Stack();
let unrepaired: unknown;

beforeAll(async () => {
  await (stack.isEdited ? stack.restore() : stack.ensureDeployed());
});

beforeEach(async () => {
  if (unrepaired !== undefined) throw unrepaired as Error;
  await stack.ensureDeployed().catch((error: unknown) => {
    unrepaired = error;
    throw error;
  });
});
