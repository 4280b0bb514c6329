import { expect, it } from "vitest";
import { goDuration } from "./container";

it.each([
  [0, "0s"],
  [5, "5s"],
  [60, "1m0s"],
  [180, "3m0s"],
  [3661, "1h1m1s"],
])("writes %i seconds as the engine does: %s", (seconds, text) => {
  expect(goDuration(seconds)).toBe(text);
});
