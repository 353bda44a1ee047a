import { manualFiles } from "../src/cli/manual-files.ts";
import { apiDocument } from "./api-document.ts";
import { conditionsDocument, eventsDocument } from "./told-document.ts";
import { metricsDocument } from "./metrics-document.ts";

/** The generated pages of `docs/`: where each is, and what it is to hold. */
export function referenceFiles(): readonly { readonly path: URL; readonly text: string }[] {
  return [
    ...manualFiles(),
    { path: new URL("../docs/metrics.md", import.meta.url), text: metricsDocument() },
    { path: new URL("../docs/events.md", import.meta.url), text: eventsDocument() },
    { path: new URL("../docs/conditions.md", import.meta.url), text: conditionsDocument() },
    { path: new URL("../docs/api.md", import.meta.url), text: apiDocument() },
  ];
}
