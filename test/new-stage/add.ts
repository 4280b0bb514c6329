/** Adds a stage to a checkout by the steps of docs/stages.md. The stage counts the spoken words. */
import { cpSync } from "node:fs";
import * as path from "node:path";

export const NEW_STAGE = "word-count";

const FACTS = `  { "name": "${NEW_STAGE}", "critical": false, "timeLimitSeconds": 60, "tries": 2 },\n`;
const RESULT = `

class WordCountResult(StageResult):
    """How much was said."""

    stage: ClassVar[str] = "${NEW_STAGE}"

    words: NonNegativeInt
`;
const ENTRY = `  stage("${NEW_STAGE}", "base", "how many words were said", { memoryMegabytes: 256 }),\n`;

/** Makes the edits of the steps; `edit` changes a file of the checkout. */
export function addStage(checkout: string, edit: (file: string, change: (content: string) => string) => void): void {
  edit("docker/common/cp_whisperx/stages.json", (content) => content.replace(/(?= *\{ "name": "subtitle-gen")/, FACTS));
  edit("docker/common/cp_whisperx/contract.py", (content) => `${content.trimEnd()}\n${RESULT}`);
  edit("catalog.ts", (content) => content.replace(/(?= *stage\("mux")/, ENTRY));
  cpSync(path.join(__dirname, "docker"), path.join(checkout, "docker"), { recursive: true });
}
