import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** The rooms of the program, from the top down: each imports from those below it, never from one above. */
const ROOMS = ["services", "volumes", "images", "host", "settings"];
/** The rows that say what a variant is like, and which images it has; tests may name one. */
const NAME_VARIANTS = ["variants.ts", "catalog.ts", "**/*.test.ts", "test/**", "bench/**"];

const downwards = ROOMS.slice(1).map((room, index) => ({
  files: [`${room}/**/*.ts`],
  ignores: ["**/*.test.ts"],
  rules: {
    "no-restricted-imports": ["error", {
      patterns: ROOMS.slice(0, index + 1).map((above) => ({
        regex: `^(\\.\\./)+${above}(/|$)`,
        message: `${room}/ lies below ${above}/ and knows nothing of it.`,
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
          message: "Ask for what the variant is like (VARIANTS in variants.ts), not for its name.",
        },
        {
          selector: "Literal[value='cuda-slim']",
          message: "Only variants.ts and catalog.ts name this variant.",
        },
      ],
    },
  },
);
