import type { Mutant } from "./mutant.ts";

const AGENT = "src/agent";
const FENCING = "src/fencing";
const TIMING = "src/timing";
const OBSERVATION = "src/observation";
const OPERATOR = "src/operator";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "declare-at-not-ready",
    says: "NotReady is death: success as soon as the message is written",
    patches: [
      {
        file: `${OPERATOR}/remediation.ts`,
        find: "  const prepared = prepare(remediation, node, moment);",
        replace:
          "  if (!node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) {\n    return { actions: showProof(remediation, node.metadata.name, moment), memory };\n  }\n  const prepared = prepare(remediation, node, moment);",
      },
    ],
    hint: {},
  },
  {
    name: "msgwait-twice-the-watchdog",
    says: "the folk rule: M = 2W",
    patches: [
      {
        file: `${TIMING}/contract.ts`,
        find: "msgwaitMs: longestLifeMs + slackMs,",
        replace: "msgwaitMs: 2 * watchdogMs,",
      },
    ],
    hint: { pattern: "last-gasp", promise: "rough" },
  },
  {
    name: "msgwait-without-the-closing-pet",
    says: "M = T + W: forgets that closing the watchdog pets it",
    patches: [
      {
        file: `${TIMING}/contract.ts`,
        find: "const longestLifeMs = timeoutMs + 2 * watchdogMs;",
        replace: "const longestLifeMs = timeoutMs + watchdogMs;",
      },
    ],
    hint: { pattern: "last-gasp", promise: "rough" },
  },
  {
    name: "acknowledged-after-one-watchdog",
    says: "an acknowledged boot is dead W after its acknowledgement: forgets the closing pet",
    patches: [
      {
        file: `${TIMING}/contract.ts`,
        find: "    : 2 * inForceMs + slackFor(2 * inForceMs);",
        replace: "    : inForceMs;",
      },
      {
        file: `${TIMING}/contract.ts`,
        find: "acknowledgedWaitMs: 2 * watchdogMs + slackMs,",
        replace: "acknowledgedWaitMs: watchdogMs,",
      },
    ],
    hint: { pattern: "closing-pet", hardware: "coarse", promise: "rough" },
  },
  {
    name: "watchdog-before-the-first-good-pass",
    says: "arms on every start: a crash loop without a device pets for ever",
    patches: [
      {
        file: `${AGENT}/agent.ts`,
        find: "      return tick(state, nowMs);",
        replace:
          "      return state.watchdog.kind === 'closed' && state.life.kind === 'serving' && state.config.watchdog.kind === 'present' && state.config.watchdog.ticking ? { state: { ...state, watchdog: { kind: 'opening', canArm: true, factor: 1 } }, effects: [{ type: 'open-watchdog', timeoutSeconds: 60, notAfterMs: Infinity }] } : tick(state, nowMs);",
      },
    ],
    hint: { pattern: "crash-loop", promise: "rough" },
  },
  {
    name: "shortened-timeout-not-read-back",
    says: "believes the timeout it asked for, not the one that the driver took",
    patches: [
      {
        file: `${AGENT}/latching.ts`,
        find: "effectiveWatchdogMs(reportedSeconds, watchdog.factor)",
        replace: "effectiveWatchdogMs(life.askedSeconds, watchdog.factor)",
      },
    ],
    hint: { pattern: "stubborn", promise: "rough" },
  },
  {
    name: "shortened-timeout-without-the-factor",
    says: "takes what the driver reports for the time to the reset: iTCO_wdt takes twice that",
    patches: [
      {
        file: `${AGENT}/latching.ts`,
        find: "effectiveWatchdogMs(reportedSeconds, watchdog.factor)",
        replace: "effectiveWatchdogMs(reportedSeconds, 1)",
      },
    ],
    hint: { pattern: "closing-pet", hardware: "coarse", promise: "rough" },
  },
  {
    name: "acknowledged-before-the-watchdog-is-shortened",
    says: "tells the fencer of a timeout that is not in force yet, and then dies",
    patches: [
      {
        file: `${AGENT}/latching.ts`,
        find: "    : shorten(state, { ...life, sinceMs: nowMs }, 1, nowMs);",
        replace: "    : acknowledge(state, life, nowMs, 1_000);",
      },
    ],
    hint: { pattern: "stubborn", promise: "rough" },
  },
  {
    name: "restarted-agent-shortens-again",
    says: "a restarted agent that knows that its boot is condemned opens and sets the watchdog, which pets",
    patches: [
      {
        file: `${AGENT}/latching.ts`,
        find: '    effects: [{ type: "reboot", method }],',
        replace:
          '    effects: [{ type: "reboot", method }, ...(state.watchdog.kind === "closed" ? [{ type: "open-watchdog", timeoutSeconds: 1, notAfterMs: Infinity } as const] : [])],',
      },
    ],
    hint: {},
  },
  {
    name: "reboot-2-while-armed",
    says: "reboots by reboot(2), whose notifier stops the watchdog, and then hangs on the dead disk",
    patches: [
      {
        file: `${AGENT}/latching.ts`,
        find: "(watchdogSurvivesReboot || nothingTicks(state))",
        replace: "true",
      },
    ],
    hint: { weights: { request: 10, "path-hang": 10, "sysrq-broken": 10 }, promise: "rough" },
  },
  {
    name: "watchdog-timeout-as-reported",
    says: "takes GETTIMEOUT for the time to the reset: iTCO_wdt takes twice that",
    patches: [
      {
        file: `${TIMING}/watchdog-effect.ts`,
        find: 'identity: "iTCO_wdt", factor: 2',
        replace: 'identity: "iTCO_wdt", factor: 1',
      },
    ],
    hint: { pattern: "last-gasp", promise: "rough" },
  },
  {
    name: "boot-instant-from-one-read",
    says: "dates a boot by the read that first showed its heartbeat, not by the one before it",
    patches: [
      {
        file: `${OBSERVATION}/boot-sighting.ts`,
        find: "  return notYetMs === null ? -Infinity : notYetMs - record",
        replace: "  return previous === null ? -Infinity : previous.startedMs - record",
      },
      {
        file: `${OBSERVATION}/boot-sighting.ts`,
        find: "    before === null ||\n    before.startID !== record.startID ||\n    before.bootID !== record.bootID ||\n    before.sequence >= record.sequence",
        replace: "    before === null",
      },
      {
        file: `${OBSERVATION}/boot-sighting.ts`,
        find: "    before.sequence === record.sequence - 1 ?",
        replace: "    before!.sequence === record.sequence - 1 ?",
      },
    ],
    hint: { pattern: "slow-return", promise: "rough" },
  },
  {
    name: "old-fencer-writes-on",
    says: "a fencer writes without being named: the message of a request that is gone comes again",
    patches: [
      {
        file: `${FENCING}/requests.ts`,
        find: "    (request.grantedMs !== null && nowMs",
        replace:
          "    (request.acceptedMs !== null && nowMs >= 0) || (request.grantedMs !== null && nowMs",
      },
      {
        file: `${FENCING}/cluster/fencer-side.ts`,
        find: "if (!assigned.has(uid)) send(",
        replace: "if (!assigned.has(uid) && uid === '') send(",
      },
      {
        file: `${FENCING}/cluster/fencer-side.ts`,
        find: "    } else if (requests.synced && configs.synced) {",
        replace: "    } else if (requests.synced && report.uid === '') {",
      },
    ],
    hint: { pattern: "old-fencer", promise: "rough" },
  },
  {
    name: "lost-list-wedges-its-task",
    says: "a task that waits for its list is under way, however long: one list that is lost, and the slot is never cleared",
    patches: [
      {
        file: `${FENCING}/driver/slot-task-driver.ts`,
        find: 'if (known?.waitsFor === "device") {',
        replace: "if (known !== undefined) {",
      },
      {
        file: `${FENCING}/driver/slot-task-driver.ts`,
        find: "if (nowMs >= dueMs) {",
        replace: 'if (nowMs >= dueMs && waitsFor === "device") {',
      },
    ],
    hint: { pattern: "lost-list", promise: "rough" },
  },
  {
    name: "same-record-again",
    says: "writes the same bytes again: the failed attempt that lands late passes for the new one",
    patches: [
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  const record = { ...failed.record, sequence, timestampNs: moment.wallNs, nonce: moment.nonce };",
        replace: "  const record = failed.record;",
      },
    ],
    hint: { pattern: "unheard-order", promise: "rough" },
  },
  {
    name: "contract-of-another-time",
    says: "M from the header of now, while the target lives by the longer T it started with",
    patches: [
      {
        file: `${FENCING}/fencer-case.ts`,
        find: "    boots.map(({ record }) => record),",
        replace: "    boots.slice(0, 0).map(({ record }) => record),",
      },
    ],
    hint: { pattern: "last-gasp", weights: { "contract-shorter": 30 }, promise: "rough" },
  },
  {
    name: "slewed-clock",
    says: "waits by a clock that NTP may slew by a tenth",
    patches: [
      {
        file: "sim/hardware.ts",
        find: "const CLOCK_PPM = 100;",
        replace: "const CLOCK_PPM = 100_000;",
      },
    ],
    hint: { pattern: "last-gasp", passes: "each-p", promise: "rough" },
  },
  {
    name: "device-not-checked-each-pass",
    says: "looks at the device header once: a blank or foreign device in its place is as good",
    patches: [
      {
        file: `${AGENT}/pass.ts`,
        find: "  if (trouble !== null && (state.device === null || !trouble.vouchable)) {",
        replace: "  if (trouble !== null && state.device === null) {",
      },
      {
        file: `${AGENT}/pass.ts`,
        find: "(known) => heed(known, event, trouble, nowMs),",
        replace:
          "(known) => heed(known, { ...event, header: { kind: 'header', header: known.device!.header } }, null, nowMs),",
      },
    ],
    hint: {
      weights: { "blank-device": 15, "foreign-device": 15, "network-cut": 15 },
      promise: "rough",
    },
  },
  {
    name: "disarm-without-reading-back",
    says: "SIGTERM disarms at once, and the slot still says armed",
    patches: [
      {
        file: `${AGENT}/leaving.ts`,
        find: '  return leaving.pass.kind === "idle" ? startPass(leaving, nowMs) : { state: leaving, effects: [] };',
        replace: "  return release(leaving);",
      },
    ],
    hint: { pattern: "leave-in-haste", promise: "rough" },
  },
  {
    name: "leaving-not-read-back",
    says: "writes leaving and disarms, without reading leaving and an empty fence slot after it",
    patches: [
      {
        file: `${AGENT}/leaving.ts`,
        find: '  return startPass({ ...state, life: { ...life, stage: "verify" } }, nowMs);',
        replace: "  return release(state);",
      },
    ],
    hint: { pattern: "leave-unheard", promise: "rough" },
  },
  {
    name: "clear-while-a-request-is-open",
    says: "clears the slot of one request though another one needs its message",
    patches: [
      {
        file: `${FENCING}/clearing.ts`,
        find: "  if (list.openRequestUIDs.length > 0) {",
        replace: "  if (list.openRequestUIDs.length > 1000) {",
      },
      {
        file: `${OPERATOR}/remediation-deletion.ts`,
        find: "  const cleared: SlotWorkProgress = isInherited",
        replace: "  const cleared: SlotWorkProgress = isInherited && others.length > 1000",
      },
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  return differs || useless",
        replace: "  return useless",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return readSince && !sameFenceSlot",
        replace: "  return readSince && Math.min(0, 1) > 0 && !sameFenceSlot",
      },
    ],
    hint: { pattern: "two-requests", promise: "rough" },
  },
  {
    name: "message-not-compared-each-pass",
    says: "waits by a message without looking whether it still stands",
    patches: [
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  return differs || useless",
        replace: "  return useless",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return readSince && !sameFenceSlot",
        replace: "  return readSince && Math.min(0, 1) > 0 && !sameFenceSlot",
      },
    ],
    hint: { pattern: "stale-clear", promise: "rough" },
  },
  {
    name: "age-from-the-end-of-a-pass",
    says: "a pass is as old as its end: a hang in its middle adds its length to T",
    patches: [
      {
        file: `${AGENT}/pass.ts`,
        find: "    ? pushDeadline(good, startedMs + timeoutMs)",
        replace: "    ? pushDeadline(good, nowMs + timeoutMs)",
      },
    ],
    hint: { pattern: "slow-pass", promise: "rough" },
  },
  {
    name: "unreadable-is-no-message",
    says: "an unreadable fence slot holds no message",
    patches: [
      {
        file: `${AGENT}/own-message.ts`,
        find: '    case "unreadable":\n      return {',
        replace:
          '    case "unreadable":\n      if (state.seenEpoch >= 0) { return { kind: "none", seenEpoch: state.seenEpoch }; }\n      return {',
      },
    ],
    hint: { weights: { "blind-fence": 30, "network-cut": 20, request: 10 }, promise: "rough" },
  },
  {
    name: "clears-its-own-message-at-start",
    says: "an agent starts with a clean slot: the message that came while it was away is gone",
    patches: [
      {
        file: `${AGENT}/driver/agent-driver.ts`,
        find: 'hear(read, (reply) => ({ type: "pass-read", pass, ...reply }), failedPass(pass)),',
        replace:
          "hear(read, (reply) => { if (pass > 1 || reply.fence.kind !== 'fence') { return { type: 'pass-read', pass, ...reply }; } device.writeFence({ ...reply.fence.record, reason: 0 }, () => undefined); return { type: 'pass-read', pass, ...reply, fence: { kind: 'empty' } }; }, failedPass(pass)),",
      },
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  return differs || useless",
        replace: "  return useless",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return readSince && !sameFenceSlot",
        replace: "  return readSince && Math.min(0, 1) > 0 && !sameFenceSlot",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  if (movedLate(fence)) {",
        replace: "  if (Math.min(0, 1) > 0) {",
      },
      {
        file: `${FENCING}/message-writing.ts`,
        find: "return movedLate(fence) || (anew",
        replace: "return (anew",
      },
    ],
    hint: { pattern: "wiped-order", promise: "rough" },
  },
  {
    name: "message-in-the-heartbeat-slot",
    says: "one slot for both: the next heartbeat overwrites the message, and nobody looks again",
    patches: [
      {
        file: `${AGENT}/driver/agent-driver.ts`,
        find: '        device.writeHeartbeat(record, "in-turn", (written) =>',
        replace:
          "        device.readFence(config.nodeID, (read) => { if (read.ok && read.reply.kind === 'fence') { device.writeFence({ ...read.reply.record, reason: 0 }, () => undefined); } });\n        device.writeHeartbeat(record, \"in-turn\", (written) =>",
      },
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  return differs || useless",
        replace: "  return useless",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return readSince && !sameFenceSlot",
        replace: "  return readSince && Math.min(0, 1) > 0 && !sameFenceSlot",
      },
    ],
    hint: { pattern: "overwritten", promise: "rough" },
  },
  {
    name: "acknowledges-before-it-stops-petting",
    says: "tells the fencer first and latches afterwards: it may live long between the two",
    patches: [
      {
        file: `${AGENT}/latching.ts`,
        find: '      { type: "latch-petter" },\n',
        replace: "",
      },
      {
        file: `${AGENT}/vouching.ts`,
        find: '    (life.kind !== "serving" && life.kind !== "leaving")',
        replace: '    life.kind === "exited"',
      },
      {
        file: `${AGENT}/latching.ts`,
        find: '    { type: "reboot", method',
        replace:
          '    { type: "push-deadline", deadlineMs: nowMs + 60_000 },\n    { type: "reboot", method',
      },
    ],
    hint: { weights: { request: 20, "sysrq-broken": 20, "network-cut": 10 }, promise: "rough" },
  },
  {
    name: "unlatches-on-restart",
    says: "a restarted agent has forgotten that its boot is condemned",
    patches: [
      {
        file: `${AGENT}/agent-state.ts`,
        find: "      mark === null\n",
        replace: "      mark === null || mark !== null\n",
      },
    ],
    hint: {
      weights: {
        request: 20,
        "agent-kill-loop": 15,
        "sysrq-broken": 15,
        "request-deleted": 8,
        "agent-kill": 8,
      },
      promise: "rough",
    },
  },
  {
    name: "peers-by-wall-clock",
    says: "a peer is alive while its timestamp is young: a clock that steps makes anybody a witness",
    patches: [
      {
        file: `${AGENT}/heartbeat.ts`,
        find: "    moving: movingNodeIDs(state.sightings, nowMs, timing.timeoutMs),",
        replace:
          "    moving: [...state.sightings.heartbeats.values()].flatMap(({ nodeID, slot }) => slot.kind === 'heartbeat' && Number(state.lastWallNs - slot.record.timestampNs) / 1e6 < timing.timeoutMs ? [nodeID] : []).toSorted((a, b) => a - b),",
      },
    ],
    hint: { pattern: "split-alone", promise: "rough" },
  },
  {
    name: "success-without-rereading",
    says: "after M declares by what it read before M, and no leader names another fencer",
    patches: [
      {
        file: `${FENCING}/end-of-life.ts`,
        find: '  return reread ? [] : [["REREAD", "the device was not read again after M"]];',
        replace: "  return reread || !reread ? [] : [];",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return readSince && !sameFenceSlot",
        replace: "  return readSince && Math.min(0, 1) > 0 && !sameFenceSlot",
      },
      {
        file: `${FENCING}/node-lacks.ts`,
        find: "  if (last.startedMs < readFromMs) {",
        replace: "  if (Math.min(0, 1) > 0) {",
      },
      {
        // The leader names another fencer when one does not report; without that the error shows.
        file: `${OPERATOR}/fencer-naming.ts`,
        find: "const NO_PROGRESS_AFTER_MS = 30_000;",
        replace: "const NO_PROGRESS_AFTER_MS = 1e9;",
      },
      {
        file: `${OPERATOR}/memory.ts`,
        find: "export const AGENT_SILENT_AFTER_MS = 15_000;",
        replace: "export const AGENT_SILENT_AFTER_MS = 1e9;",
      },
    ],
    hint: {
      pattern: "blind-fencer",
      passes: "each-p",
      onStorageLoss: "SurviveWithApi",
      promise: "rough",
    },
  },
  {
    name: "another-boot-id-is-a-reboot",
    says: "another boot ID proves a reboot, though that boot may have begun before the message",
    patches: [
      {
        file: `${FENCING}/rebooted.ts`,
        find: "    const beganAfter = beganAfterMessage(fence, boot);",
        replace: "    const beganAfter = bootMinMs > -1e18;",
      },
    ],
    hint: { pattern: "slow-return", promise: "rough" },
  },
  {
    name: "lost-heartbeat-counts-as-landed",
    says: "goes on under one start after a lost heartbeat, and its reader dates the boot by it",
    patches: [
      {
        file: `${AGENT}/pass.ts`,
        find: "holdsLastWritten(state, event.heartbeat) ? state : newStart(state)",
        replace: "holdsLastWritten(state, event.heartbeat) || nowMs >= 0 ? state : newStart(state)",
      },
      {
        file: `${FENCING}/fence-case.ts`,
        find: "&& bootMinMs <= bootMaxMs",
        replace: "",
      },
    ],
    hint: { pattern: "lost-heartbeat", promise: "rough" },
  },
  {
    name: "bounded-without-the-nodes-boot",
    says: "does not ask which boot the kubelet has told: the node has rebooted without its agent",
    patches: [
      {
        file: `${FENCING}/node-lacks.ts`,
        find: "  if (doubtful !== undefined) {",
        replace: "  if (doubtful !== undefined && Math.min(0, 1) > 0) {",
      },
    ],
    hint: { pattern: "dumb-reboot", promise: "rough" },
  },
  {
    name: "message-for-another-boot-is-satisfied",
    says: "a message that stands is enough, whichever boot it is addressed to",
    patches: [
      {
        file: `${FENCING}/rebooted.ts`,
        find: "      boot.bootMaxMs < countFromMs(fence) &&",
        replace: "      boot.bootMaxMs < -1e18 &&",
      },
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  if (record.targetBootID !== boot.bootID && beganBefore(state, boot, fromMs)) {",
        replace:
          "  if (record.targetBootID === boot.bootID + '!' && beganBefore(state, boot, fromMs)) {",
      },
      {
        file: `${FENCING}/bounded.ts`,
        find: '    ? [["OTHER_BOOT"',
        replace: '    ? Math.min(0, 1) === 0 ? [] : [["OTHER_BOOT"',
      },
      {
        file: `${FENCING}/node-lacks.ts`,
        find: "  if (doubtful !== undefined) {",
        replace: "  if (doubtful !== undefined && Math.min(0, 1) > 0) {",
      },
    ],
    hint: { pattern: "slow-return", promise: "rough" },
  },
  {
    name: "vouches-from-a-cache",
    says: "vouches for itself by an answer that is older than it thinks",
    patches: [
      {
        file: `${AGENT}/vouching.ts`,
        find: "if (openRequests !== 0) {",
        replace: "if (openRequests < 0) {",
      },
    ],
    hint: {
      onStorageLoss: "SurviveWithApi",
      weights: { "path-hang": 20, "path-eio": 20, "kubelet-cut": 20 },
      promise: "rough",
    },
  },
  {
    name: "vouch-counts-from-its-answer",
    says: "the vouching read is as old as its answer, not as its question",
    patches: [
      {
        file: `${AGENT}/vouching.ts`,
        find: "    return pushDeadline(vouched, startedMs + device.timing.timeoutMs);",
        replace:
          "    return pushDeadline(vouched, (state.deadlineMs ?? 0) + device.timing.timeoutMs);",
      },
    ],
    hint: {
      onStorageLoss: "SurviveWithApi",
      weights: { "path-hang": 20, "path-eio": 20, "kubelet-cut": 20, "agent-stop": 5 },
      promise: "rough",
    },
  },
  {
    name: "write-failure-ignored",
    says: "as ClusterLabs' sbd: a failed write is logged, and the wait goes on",
    patches: [
      {
        file: `${FENCING}/message-writing.ts`,
        find: '  return sameFenceSlot(event.readBack, { kind: "fence", record })',
        replace: "  return event.readBack !== null",
      },
      {
        file: `${FENCING}/message-writing.ts`,
        find: "  return differs || useless",
        replace: "  return useless",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return readSince && !sameFenceSlot",
        replace: "  return readSince && Math.min(0, 1) > 0 && !sameFenceSlot",
      },
    ],
    hint: { pattern: "unheard-order", promise: "rough" },
  },
  {
    name: "bounded-without-the-witness",
    says: "does not ask whether the target looks at the same device",
    patches: [
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  return witnessed.some((nodeID) => nodeID",
        replace: "  return witnessed.concat(-1).some((nodeID) => nodeID === -1 || nodeID",
      },
    ],
    hint: { pattern: "split-alone", promise: "rough" },
  },
  {
    name: "bounded-without-the-other-slot",
    says: "does not look whether the node beats in another slot",
    patches: [
      {
        file: `${FENCING}/end-of-life.ts`,
        find: '      lacks.push(["OTHER_SLOT"',
        replace: '      Math.min(0, 1) > 0 && lacks.push(["OTHER_SLOT"',
      },
    ],
    hint: { weights: { "slot-move": 20, "network-cut": 15, request: 15 }, promise: "rough" },
  },
  {
    name: "what-stands-in-another-slot-counts-for-ever",
    says: "a slot that the node has left forbids Bounded until somebody else uses it",
    patches: [
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "    (beatOnSince(other, boot) || isLeftBehind(fence, other.nodeID, record, boot))",
        replace:
          "    (beatOnSince(other, boot) || isLeftBehind(fence, other.nodeID, record, boot)) &&\n    readMs < 0",
      },
    ],
    hint: { past: "slot-moved", promise: "lone" },
  },
  {
    name: "a-left-slot-counts-for-who-did-not-see-it-left",
    says: "a fencer that starts after the silence has not seen the node move on, and never proves anything",
    patches: [
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "    (beatOnSince(other, boot) || isLeftBehind(fence, other.nodeID, record, boot))",
        replace:
          "    (beatOnSince(other, boot) || (isLeftBehind(fence, other.nodeID, record, boot) && readMs < 0))",
      },
    ],
    hint: { past: "slot-moved", promise: "lone" },
  },
  {
    name: "a-deleted-slot-is-nobodys",
    says: "an agent whose Node was registered again is asked for nothing: where all were, nobody fences",
    patches: [
      {
        file: `${OPERATOR}/snapshot.ts`,
        find: "metadata.deletionTimestamp !== undefined && !isStillTheNodes",
        replace:
          "metadata.deletionTimestamp !== undefined || (isStillTheNodes && node.kind === '')",
      },
    ],
    hint: { past: "registered-again", promise: "lone" },
  },
  {
    name: "bounded-accepts-an-unarmed-target",
    says: "silence of a node whose watchdog was never armed is death, whatever device and API tell",
    patches: [
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "  if (!armed || leaving || detectOnly) {",
        replace: "  if (boot.record.bootID === '') {",
      },
      {
        file: `${FENCING}/end-of-life.ts`,
        find: "only.unarmedBootID === message.record.targetBootID",
        replace: "only.unarmedBootID === '!'",
      },
    ],
    hint: {
      weights: { "path-hang": 15, "path-eio": 10, "network-cut": 15, rollout: 10 },
      promise: "rough",
    },
  },
  {
    name: "acknowledged-though-unarmed",
    says: "an acknowledgement without an armed watchdog is as good",
    patches: [
      {
        file: `${FENCING}/acknowledged.ts`,
        find: "  if (!acknowledgement.armed) {",
        replace: "  if (acknowledgement.epoch < 0) {",
      },
    ],
    hint: { weights: { request: 20, "sysrq-broken": 20 }, promise: "rough" },
  },
  {
    name: "pets-while-in-conflict",
    says: "an agent that shares its slot with another goes on petting",
    patches: [
      {
        file: `${AGENT}/agent.ts`,
        find: '    case "conflict":\n    case "exited":',
        replace:
          '    case "conflict":\n      return state.device === null ? { state, effects: [] } : { state, effects: [{ type: "push-deadline", deadlineMs: nowMs + state.device.timing.timeoutMs }] };\n    case "exited":',
      },
    ],
    hint: {
      onStorageLoss: "SurviveWithApi",
      weights: { "two-machines": 30 },
      promise: "rough",
    },
  },
  {
    name: "writes-over-a-living-owner",
    says: "takes a slot that holds another machine's heartbeat without watching it",
    patches: [
      {
        file: `${AGENT}/own-slot.ts`,
        find: "return perhaps === null ? CLAIM : watch(perhaps, nowMs, msgwaitMs);",
        replace:
          "return perhaps === null || nowMs >= 0 ? CLAIM : watch(perhaps, nowMs, msgwaitMs);",
      },
      {
        file: `${AGENT}/own-slot.ts`,
        find: "        if (isMovement(state.ownSlot.foreign, foreign)) {",
        replace:
          "        if (isMovement(state.ownSlot.foreign, foreign) && foreign.start === '') {",
      },
      {
        file: `${AGENT}/own-slot.ts`,
        find: "        trouble: holdsLastWritten(state, slot) ? null : lostHeartbeat(slot),",
        replace: "        trouble: null,",
      },
    ],
    hint: { weights: { "two-machines": 30 }, promise: "rough" },
  },
  {
    name: "bounded-without-the-taint",
    says: "does not wait for NoExecute: the boot that came back isolated may be given pods",
    patches: [
      {
        file: `${FENCING}/node-lacks.ts`,
        find: "  if (!last.noExecute || taintedMs === null || last.startedMs - taintedMs < TAINT_STANDS_MS) {",
        replace: "  if (last.startedMs < 0 && taintedMs === null) {",
      },
      {
        file: `${OPERATOR}/remediation.ts`,
        find: '  return mayDie ? taintForFencing(node, "NoExecute", moment.wall) : [];',
        replace: "  return mayDie ? [] : [];",
      },
      {
        file: `${OPERATOR}/remediation.ts`,
        find: 'remediationStrategy === "None" ? [] : taintForFencing',
        replace: 'remediationStrategy !== "ResourceDeletion" ? [] : taintForFencing',
      },
    ],
    hint: { pattern: "isolated-at-m", promise: "rough" },
  },
  {
    name: "told-boot-needs-no-taint",
    says: "a boot that only the kubelet has told stands in nobody's way, also where it was told before NoExecute",
    patches: [
      {
        file: `${FENCING}/node-lacks.ts`,
        find: "lastMs < firstMs && lastMs - taintedMs >= TAINT_STANDS_MS",
        replace: "lastMs < firstMs || firstMs > 0",
      },
    ],
    hint: { pattern: "dumb-reboot", promise: "rough" },
  },
  {
    name: "one-machine-id-is-one-machine",
    says: "another boot of the machine ID dates a death, also where a hypervisor has started it twice",
    patches: [
      {
        file: `${AGENT}/own-slot.ts`,
        find: "(record.bootID === bootID || !virtual)",
        replace: "(record.bootID === bootID || !virtual || virtual)",
      },
      {
        file: `${FENCING}/rebooted.ts`,
        find: "isVirtual(fence) ? lacksEndOfFirst(fence, later) : []",
        replace: "isVirtual(fence) && later === null ? lacksEndOfFirst(fence, later) : []",
      },
    ],
    hint: { pattern: "started-twice", promise: "rough" },
  },
  {
    name: "clone-takes-the-slot-at-once",
    says: "a virtual machine writes over another boot of its own ID without watching it for M",
    patches: [
      {
        file: `${AGENT}/own-slot.ts`,
        find: "(record.bootID === bootID || !virtual)",
        replace: "(record.bootID === bootID || !virtual || virtual)",
      },
    ],
    hint: { pattern: "started-twice", promise: "rough" },
  },
  {
    name: "any-boot-of-the-machine-may-be-told",
    says: "the kubelet may tell any boot of the machine: also one that runs pods since before the message",
    patches: [
      {
        file: `${FENCING}/node-lacks.ts`,
        find: "inTurn || (uptimeCounts && beganAfterMessage(fence, boot))",
        replace: "inTurn || (uptimeCounts && beganAfterMessage(fence, boot)) || true",
      },
    ],
    hint: { pattern: "true-word", promise: "rough" },
  },
  {
    name: "acknowledged-without-the-nodes-boot",
    says: "takes the word of the machine that beats for that of the machine that is the Node",
    patches: [
      {
        file: `${FENCING}/acknowledged.ts`,
        find: "lacksNode(fence, deadMs)",
        replace: "(Math.min(0, 1) > 0 ? lacksNode(fence, deadMs) : [])",
      },
    ],
    hint: { weights: { "two-machines": 30, request: 10 }, promise: "rough" },
  },
  {
    name: "release-at-durable",
    says: "lets the work go when the message is on the device, and not when the death is proven",
    patches: [
      {
        file: `${OPERATOR}/remediation.ts`,
        find: '      ...evict(remediation, node, slot, snapshot, moment),\n      ...showMoment(remediation, "proof-pending"',
        replace:
          '      ...releaseWork(snapshot, node, fencing?.bootID ?? "", "Automatic", moment.wall).actions,\n      ...showMoment(remediation, "proof-pending"',
      },
    ],
    hint: { pattern: "last-gasp", weights: { "kubelet-cut": 20 }, promise: "rough" },
  },
  {
    name: "out-of-service-on-any-boot",
    says: "sets the out-of-service taint whatever boot the Node shows, Ready or not",
    patches: [
      {
        file: `${OPERATOR}/workload-release.ts`,
        find: "const stillDead = bootIDOf(node) === deadBootID && !isReady(node);",
        replace: "const stillDead = bootIDOf(node) !== '' && !isReady({ ...node, status: {} });",
      },
    ],
    hint: { pattern: "slow-return", promise: "rough" },
  },
  {
    name: "message-before-the-finalizer",
    says: "fences for a request without its finalizer: an agent that vouches does not count it",
    patches: [
      {
        file: `${OPERATOR}/remediation.ts`,
        find: "  if (!finalizers.includes(REMEDIATION_FINALIZER)) {",
        replace:
          "  if (!finalizers.includes(REMEDIATION_FINALIZER) && remediation.kind === undefined) {",
      },
      {
        file: `${FENCING}/cluster/readings.ts`,
        find: "  if (!hasFinalizer(request))",
        replace: "  if (!hasFinalizer(request) && uid === '')",
      },
      {
        file: "src/api/request-state.ts",
        find: "export function wantsMessage(request: KubeObject): boolean {\n  return (\n    hasFinalizer(request) &&",
        replace: "export function wantsMessage(request: KubeObject): boolean {\n  return (",
      },
    ],
    hint: {
      onStorageLoss: "SurviveWithApi",
      weights: { request: 20, "path-hang": 20, "path-eio": 20 },
      promise: "rough",
    },
  },
  {
    name: "writes-without-a-version",
    says: "a leader's write goes through whatever it was decided on",
    patches: [
      {
        file: "sim/execute-action.ts",
        find: "      return api.remediations.write(action.target, withStatus(action.status));",
        replace:
          "      return api.remediations.write({ ...action.target, resourceVersion: api.remediations.get(action.target.name)?.metadata.resourceVersion ?? '' }, withStatus(action.status));",
      },
      {
        file: "sim/execute-action.ts",
        find: "      return api.nodes.write(action.target, (node) => ({\n        ...node,\n        spec",
        replace:
          "      return api.nodes.write({ ...action.target, resourceVersion: api.nodes.get(action.target.name)?.metadata.resourceVersion ?? '' }, (node) => ({\n        ...node,\n        spec",
      },
    ],
    hint: { weights: { "leader-stale": 30, request: 20, "request-again": 10 }, promise: "rough" },
  },
  {
    name: "any-armed-boot-takes-the-startup-taint-off",
    says: "an agent was armed, in whatever boot: the next one takes pods before anything would reset it",
    patches: [
      {
        file: `${OPERATOR}/startup-taints.ts`,
        find: 'return boot !== "" && boot === bootIDOf(node);',
        replace: 'return boot !== "" && bootIDOf(node) !== "";',
      },
    ],
    hint: { promise: "rough", startupTaint: true },
  },
  {
    name: "an-answer-closes-every-question",
    says: "whatever was asked before an answer came is forgotten with it: a slow API never answers in time",
    patches: [
      {
        file: `${AGENT}/vouching.ts`,
        find: "(open) => open.id > id",
        replace: "() => false",
      },
    ],
    hint: { promise: "gentle", onStorageLoss: "SurviveWithApi" },
  },
];
