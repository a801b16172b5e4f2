/** All invariants. */
import { boundOnce, nodeRoom } from './bindings.ts';
import { budgets } from './budgets.ts';
import { cronStarts } from './cron.ts';
import { podsPerNode, podsPerOwner, surge } from './crowds.ts';
import { workloads } from './goals.ts';
import { oneOfAName, ordinals } from './identities.ts';
import type { InvariantOf } from './invariant.ts';
import { jobCounts } from './jobs.ts';
import { noneLeft, onlyGarbage, orphansLive, podsOfLivingNodes } from './owners.ts';
import { quotas } from './quotas.ts';

export const invariants: readonly InvariantOf[] = [
  podsPerOwner,
  surge,
  podsPerNode,
  oneOfAName,
  ordinals,
  boundOnce,
  nodeRoom,
  onlyGarbage,
  podsOfLivingNodes,
  orphansLive,
  noneLeft,
  jobCounts,
  quotas,
  budgets,
  cronStarts,
  workloads,
];
