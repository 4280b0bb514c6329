import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** The folders of the program, top down: each imports only from those below it. */
const FOLDERS = ["changes", "services", "volumes", "images", "host", "settings"];
/** Files that may name a variant: its properties, its images, and tests. */
const NAME_VARIANTS = ["variants.ts", "catalog.ts", "**/*.test.ts", "test/**", "bench/**"];

const downwards = FOLDERS.slice(1).map((folder, index) => ({
  files: [`${folder}/**/*.ts`],
  ignores: ["**/*.test.ts"],
  rules: {
    "no-restricted-imports": ["error", {
      patterns: FOLDERS.slice(0, index + 1).map((above) => ({
        regex: `^(\\.\\./)+${above}(/|$)`,
        message: `${folder}/ lies below ${above}/ and must not import from it.`,
      })),
    }],
  },
}));

export default defineConfig(
  globalIgnores(["node_modules", "build", "toolchain/**/*.cjs", "docker/**/.venv"]),
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  ...downwards,
  {
    files: ["**/*.ts"],
    ignores: NAME_VARIANTS,
    rules: {
      "no-restricted-syntax": ["error",
        {
          selector: "BinaryExpression[right.type='Literal'] > :matches(Identifier[name='variant'], MemberExpression[property.name='variant'])",
          message: "Test a property of the variant (VARIANTS in variants.ts), not its name.",
        },
        {
          selector: "Literal[value='cuda-slim']",
          message: "Only variants.ts and catalog.ts name this variant.",
        },
      ],
    },
  },
);
