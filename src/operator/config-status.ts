import type { Condition } from "../api/condition.ts";
import type { ConfigConditionType, JudgementReason } from "../api/condition-table.ts";
import type { SBDConfig, SBDConfigStatus } from "../api/sbd-config.ts";
import { type Action, type EventReason, type StatusPatch, targetOf } from "./action.ts";
import { statusText } from "./status-text.ts";
import type { Moment } from "./snapshot.ts";

/** A condition as a reconciler judges it; when it last changed follows. */
export type Judgement = Pick<Condition, "status" | "message"> & {
  readonly type: ConfigConditionType;
  readonly reason: JudgementReason;
};

/** What an SBDConfig's status is to say beside its conditions; null removes a field. */
export type ConfigFacts = StatusPatch<
  Omit<SBDConfigStatus, "conditions" | "message" | "observedGeneration" | "lastUpdateTime">
>;

/**
 * Writes the conditions and facts that are not so yet. The first judgement is `Ready`, and its message
 * is the status' own. Conditions of types that are not judged stay as they are.
 */
export function showConfig(
  config: SBDConfig,
  moment: Moment,
  found: readonly [Judgement, ...Judgement[]],
  facts: ConfigFacts,
): readonly Action[] {
  const { status, metadata } = config;
  const judged = found.map((one) => ({ ...one, message: statusText(one.message) }));
  const known = status.conditions ?? [];
  const isNew = status.observedGeneration !== metadata.generation;
  const unchanged =
    !isNew &&
    judged.every((judgement) => known.some((condition) => isSame(condition, judgement))) &&
    Object.entries(facts).every(
      ([field, value]) => (status[field as keyof typeof status] ?? null) === value,
    );
  if (unchanged) {
    return [];
  }
  const types = new Set<string>(judged.map(({ type }) => type));
  return [
    {
      type: "patch-config-status",
      target: targetOf(config),
      status: {
        ...facts,
        observedGeneration: metadata.generation,
        message: judged[0]?.message,
        lastUpdateTime: moment.wall,
        conditions: [
          ...known.filter(({ type }) => !types.has(type)),
          ...judged.map((judgement) => dated(judgement, known, moment)),
        ],
      },
    },
    ...judged
      .filter((judgement) => isNewTrouble(judgement, known))
      .map(({ reason, message }) => configEvent(config, "Warning", reason, message)),
    ...(isNew
      ? [
          configEvent(
            config,
            "Normal",
            "SBDConfigReconciled",
            `SBDConfig '${metadata.name}' successfully reconciled.`,
          ),
        ]
      : []),
  ];
}

export function configEvent(
  config: SBDConfig,
  eventType: "Normal" | "Warning",
  reason: EventReason,
  message: string,
): Action {
  const { apiVersion, kind, metadata } = config;
  const about = { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? "" };
  return { type: "event", about, eventType, reason, message };
}

/** What an SBDConfig's status says of a condition now. */
export function conditionOf(config: SBDConfig, type: string): Condition | null {
  return config.status.conditions?.find((condition) => condition.type === type) ?? null;
}

/** `Ready` is False while a rollout goes on: that is no trouble. */
function isNewTrouble({ type, status, reason }: Judgement, known: readonly Condition[]): boolean {
  const before = known.find((condition) => condition.type === type);
  return type !== "Ready" && status === "False" && before?.reason !== reason;
}

function dated(judgement: Judgement, known: readonly Condition[], { wall }: Moment): Condition {
  const before = known.find(({ type }) => type === judgement.type);
  const isAsBefore = before?.status === judgement.status;
  return { ...judgement, lastTransitionTime: isAsBefore ? before.lastTransitionTime : wall };
}

function isSame(condition: Condition, { type, status, reason, message }: Judgement): boolean {
  return (
    condition.type === type &&
    condition.status === status &&
    condition.reason === reason &&
    condition.message === message
  );
}
