# The stack's images as targets of a deployment.
# shellcheck shell=bash

# image_targets IMAGE: prints the URN patterns of this image and its ancestors, of all images if IMAGE is empty. Standard input
# is the stack's configuration.
image_targets() {
  (cd -- "$PROJECT_FOLDER" && npx --no-install ts-node toolchain/build-targets.ts "$1") \
    || fail "the images to build could not be determined" "see the message above; make build without IMAGE builds all images"
}
