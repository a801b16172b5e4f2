/**
 * Caches answers of another server. Callers who ask the same at the same time share one request; an error is never
 * remembered. Keys are hashed: no token stays in memory.
 *
 * Source: apiserver `pkg/authentication/token/cache`, `plugin/pkg/authorizer/webhook` (8192 answers, the oldest go first).
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';

const maxAnswers = 8192;

/** A cache of one kind of answer. */
export class AnswerCache<T> {
  readonly #clock: Clock;
  readonly #keepMs: (answer: T) => number;
  readonly #secret = randomBytes(32);
  /** In the order of their making. */
  readonly #answers = new Map<string, { answer: T; untilMs: number }>();
  readonly #asking = new Map<string, Promise<T>>();

  /** @param keepMs how long an answer may be used again; 0: not at all */
  constructor(clock: Clock, keepMs: (answer: T) => number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  /** @param question text that stands for what is asked @throws what `ask` throws */
  async get(question: string, ask: () => Promise<T>): Promise<T> {
    const key = createHmac('sha256', this.#secret).update(question).digest('base64');
    const known = this.#answers.get(key);
    if (known !== undefined && known.untilMs > this.#clock.monotonic()) return known.answer;
    const underWay = this.#asking.get(key);
    if (underWay !== undefined) return await underWay;
    const asking = ask().finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    const answer = await asking;
    this.#remember(key, answer);
    return answer;
  }

  #remember(key: string, answer: T): void {
    this.#answers.delete(key);
    const keepMs = this.#keepMs(answer);
    if (keepMs > 0) this.#answers.set(key, { answer, untilMs: this.#clock.monotonic() + keepMs });
    for (const [oldest] of this.#answers) {
      if (this.#answers.size <= maxAnswers) break;
      this.#answers.delete(oldest);
    }
  }
}
