import { z } from "zod";
import { count, described, instant, mapListOf } from "./field.ts";

/** metav1.Condition, with the bounds that Kubernetes puts on it. */
export const condition = z.object({
  type: described(
    "What is judged.",
    z
      .string()
      .max(316)
      .regex(
        /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/,
      ),
  ),
  status: described("True, False or Unknown.", z.enum(["True", "False", "Unknown"])),
  observedGeneration: described("metadata.generation this was judged from.", count.optional()),
  lastTransitionTime: described("When status last changed.", instant),
  reason: described(
    "One word for programs.",
    z
      .string()
      .min(1)
      .max(1024)
      .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/),
  ),
  message: described("A sentence for people; may be empty.", z.string().max(32768)),
});

export type Condition = z.output<typeof condition>;

/** `status.conditions`: one of each type. */
export const conditions = mapListOf("What holds now, one entry a type.", 32, ["type"], condition);
