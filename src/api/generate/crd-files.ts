import { stringify } from "yaml";
import { customResourceDefinition } from "../custom-resource-definition.ts";
import { CUSTOM_RESOURCES } from "../custom-resources.ts";

/** A generated file: its name below `deploy/base/crds/`, and its text. */
export type CrdFile = { readonly name: string; readonly text: string };

const HEADER = "# Written by `node src/api/generate/main.ts`; edit src/api/ instead.\n";

/** Every CRD as a file of `deploy/base/crds/`. */
export function crdFiles(): CrdFile[] {
  return CUSTOM_RESOURCES.map((resource) => {
    const definition = customResourceDefinition(resource);
    return {
      name: `${definition.metadata.name.replace(`${resource.plural}.`, "")}_${resource.plural}.yaml`,
      text:
        HEADER +
        stringify(definition, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false }),
    };
  });
}
