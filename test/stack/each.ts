/** Runs around every test: each starts from a deployed stack, and fails at once after a failed repair. */
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
