/** Header of every message, 33 bytes on the wire. */
export type SBDMessageHeader = {
  magic: string;
  version: number;
  type: number;
  nodeID: number;
  timestamp: bigint;
  sequence: bigint;
  checksum: number;
};
export type SBDHeartbeatMessage = { header: SBDMessageHeader };
export type SBDFenceMessage = { header: SBDMessageHeader; targetNodeID: number; reason: number };
