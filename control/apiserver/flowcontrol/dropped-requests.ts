/** When clients should retry refused requests. Source: apiserver `pkg/util/flowcontrol/dropped_requests_tracker.go`. */
const maxSeconds = 32;

interface Level {
  retryAfter: number;
  raisedAt: number;
  second: number;
  count: number;
  history: { second: number; count: number }[];
}

/** The Retry-After of refused requests, in seconds: doubled while many requests are refused, and reduced step by step afterwards. */
export class DroppedRequests {
  readonly #levels = new Map<string, Level>();

  /** Counts a refused request. @returns seconds until the client may try again */
  record(name: string, nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    let level = this.#levels.get(name);
    if (level === undefined) {
      level = { retryAfter: 1, raisedAt: 0, second, count: 0, history: [] };
      this.#levels.set(name, level);
    }
    if (level.second !== second) {
      level.history = level.history.filter((one) => second - one.second <= 2 * maxSeconds);
      level.history.push({ second: level.second, count: level.count });
      level.second = second;
      level.count = 0;
      adjust(level, second);
    }
    level.count += 1;
    return level.retryAfter;
  }

  forget(name: string): void {
    this.#levels.delete(name);
  }
}

function adjust(level: Level, second: number): void {
  const dropped = level.history
    .filter((one) => second - one.second <= level.retryAfter && one.second < second)
    .reduce((sum, { count }) => sum + count, 0);
  if (second - level.raisedAt >= level.retryAfter && dropped >= 3 * level.retryAfter) {
    level.retryAfter = Math.min(2 * level.retryAfter, maxSeconds);
    level.raisedAt = second;
  } else if (dropped < level.retryAfter && level.retryAfter > 1) level.retryAfter -= 1;
}
