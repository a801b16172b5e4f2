/** The state of one priority level. */
import type { PriorityLevelConfiguration } from '#api/types.generated.ts';
import type { QueueSet } from './queue-set.ts';

/** The limits of one level, in seats. */
interface Limits {
  nominal: number;
  lower: number;
  upper: number;
}

/** The seats and queues of one priority level. */
export interface LevelState {
  name: string;
  config: PriorityLevelConfiguration;
  limits: Limits;
  current: number;
  maxSeats: number;
  queues: QueueSet;
  /** It has been deleted, and still serves its waiting requests. */
  quiescing: boolean;
}
