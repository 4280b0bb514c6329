// Vitest's report for results.py: unlike Vitest's own it also names the suites and set-ups that failed, and why.
import { writeFileSync } from "node:fs";

export default class Reporter {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const suites = modules.flatMap((module) => [...module.children.allSuites()]);
    const count = (state) => tests.filter((test) => test.result().state === state).length;
    const failures = [
      ...tests.map((test) => [`${test.module.relativeModuleId} > ${test.fullName}`, test.result().errors]),
      ...suites.map((suite) => [`${suite.module.relativeModuleId} > ${suite.fullName}`, suite.errors()]),
      ...modules.map((module) => [module.relativeModuleId, module.errors()]),
      ["set-up or error outside of the tests", unhandledErrors],
    ].flatMap(([name, errors = []]) => errors.slice(0, 1).map(({ message }) => ({ name, message })));
    const report = { passed: count("passed"), failed: count("failed"), skipped: count("skipped"), failures };
    writeFileSync(process.env.REPORT, JSON.stringify(report));
  }
}
