/** Applies compiled rules with iptables-restore, which writes only what has changed since the last call. */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import type { IpFamily } from '#api/ip.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import type { Applied } from '../backend.ts';
import { proxyMetrics } from '../metrics.ts';
import { portsDelta, servicePortKey } from '../state.ts';
import { chains, jumps, type Table } from './chains.ts';
import { Plan, sameLines, tables, type WriteLimits } from './plan.ts';
import { cleanupPlan, failedLine, fullPlanSteps, inPlaceSteps, parseSaveSteps } from './restore.ts';
import { type CompiledState, dispatchChains, type Ruleset } from './ruleset.ts';

/** What the applier works with. */
export interface ApplierDeps {
  exec: Exec;
  /** Is told when a partial update failed and everything is compared instead. */
  warn(message: string): void;
}

/** iptables-restore refused its input. The message contains the refused line. */
export class RestoreError extends Error {
  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.name = 'RestoreError';
  }
}

const restoreTimeoutMs = 300_000;
const wait = ['-w', '5'] as const;

/** Above this share of changed ports, comparing everything with the kernel is faster than removing rule by rule. */
const bulkShare = 1 / 30;
const bulkMinimum = 200;

/** Each iptables-legacy-restore reads and writes whole tables, so it gets as much as possible at once. */
const limitsOf = (isLegacy: boolean): WriteLimits => (isLegacy ? { chains: 20_000, edits: 5000 } : { chains: 1000, edits: 250 });

/** The chains that {@link RuleApplier.probe} looks at, each with the least number of its rules. */
const probed: readonly (readonly [Table, chain: string, rules: number])[] = [
  ['mangle', chains.canary, 0],
  ['filter', chains.forward, 2],
  ['filter', 'FORWARD', 1],
  ['nat', chains.postrouting, 3],
  ['nat', 'PREROUTING', 1],
];

/** Applies the rules of one address family. Calls must not overlap. */
export class RuleApplier {
  readonly #exec: Exec;
  readonly #warn: (message: string) => void;
  readonly #iptables: string;
  readonly #family: IpFamily;
  /** The rules that the kernel holds as far as this process knows. Undefined: unknown. */
  #current: CompiledState | undefined;
  #limits: WriteLimits | undefined;
  /** Number of rules of service ports. */
  readonly #rules: Record<Table, number> = { mangle: 0, filter: 0, nat: 0 };

  constructor({ exec, warn }: ApplierDeps, family: IpFamily = 'IPv4') {
    this.#exec = exec;
    this.#warn = warn;
    this.#family = family;
    this.#iptables = family === 'IPv4' ? 'iptables' : 'ip6tables';
  }

  /**
   * Makes the kernel's rules those of `next`. Each service port changes atomically, and at no moment a rule jumps to a chain that is not
   * there.
   * @throws RestoreError when the rules were refused; the next call then compares everything
   */
  async apply(next: CompiledState): Promise<Applied> {
    const previous = this.#current;
    if (previous === undefined || previous.settingsKey !== next.settingsKey) return this.#applyFull(next);
    try {
      return (await this.#applyPartial(previous, next)) ?? (await this.#applyFull(next));
    } catch (error) {
      if (!(error instanceof RestoreError)) throw error;
      proxyMetrics.iptablesPartialFailures.inc({ ip_family: this.#family });
      this.#warn(`partial update refused, comparing all rules: ${error.message}`);
      return this.#applyFull(next);
    }
  }

  /**
   * Whether iptables accepts the rules of these ports. Nothing is changed (`iptables-restore --test`). @throws any error other than
   * RestoreError
   */
  async accepts(next: CompiledState): Promise<boolean> {
    const { chains: limit } = await this.#writeLimits();
    // A port has four chains or more. Its chains refer to each other and to those that stand.
    for (let start = 0; start === 0 || start < next.ports.length; start += limit / 4) {
      if (!(await this.#acceptsAtOnce(next, start, start + limit / 4))) return false;
      await letOthersIn();
    }
    return true;
  }

  /** Makes the next {@link apply} compare everything. */
  invalidate(): void {
    this.#current = undefined;
  }

  /**
   * Whether the applied rules are still in the kernel; true before the first call. After false, the next {@link apply} compares everything.
   * @throws ExecError when the rules cannot be listed
   */
  async intact(): Promise<boolean> {
    const current = this.#current;
    if (current === undefined || (await inTurns(inPlaceSteps(current, await this.#save())))) return true;
    // What was written meanwhile is not what was looked at.
    if (this.#current !== current) return true;
    this.#current = undefined;
    return false;
  }

  /**
   * Like {@link intact}, at a cost that does not depend on the number of services: looks whether a table was flushed or a jump lost.
   * @throws ExecError when the kernel cannot be asked
   */
  async probe(): Promise<boolean> {
    if (this.#current === undefined) return true;
    for (const [table, chain, least] of probed) {
      const rules = await this.#list(table, chain);
      const to = jumps.filter((jump) => jump.table === table && jump.from === chain);
      if (rules !== undefined && rules.length >= least && to.every(({ rule }) => rules.includes(rule))) continue;
      this.#current = undefined;
      return false;
    }
    return true;
  }

  /** Removes everything a proxy has written, also in another run. @throws RestoreError @throws ExecError */
  async remove(): Promise<void> {
    this.#current = undefined;
    await this.#carryOut(cleanupPlan(await this.#save()));
  }

  async #applyFull(next: CompiledState): Promise<Applied> {
    this.#current = undefined;
    const plan = await inTurns(fullPlanSteps(next, await this.#save()));
    await this.#carryOut(plan);
    this.#current = next;
    for (const table of tables) this.#rules[table] = plan.growth[table];
    this.#measure(plan, next);
    return { mode: 'full', chains: plan.chains };
  }

  /** @returns undefined when so much has changed that a full comparison is faster */
  async #applyPartial(previous: CompiledState, next: CompiledState): Promise<Applied | undefined> {
    const delta = portsDelta(next.state, previous.ports);
    const gone = new Map(delta.gone.map((port) => [servicePortKey(port), port]));
    if (gone.size + delta.fresh.length > Math.max(bulkMinimum, next.ports.length * bulkShare)) return undefined;
    const plan = new Plan();
    let count = 0;
    for (const port of delta.fresh) {
      if (++count % 50 === 0) await letOthersIn();
      const key = servicePortKey(port);
      const before = gone.get(key);
      gone.delete(key);
      plan.changePort(before && previous.rulesOf(before), next.rulesOf(port));
    }
    for (const port of gone.values()) plan.changePort(previous.rulesOf(port), undefined);
    planStanding(plan, previous, next);
    if (plan.isEmpty) {
      this.#current = next;
      return { mode: 'unchanged', chains: 0 };
    }
    this.#current = undefined;
    await this.#carryOut(plan);
    this.#current = next;
    for (const table of tables) this.#rules[table] += plan.growth[table];
    this.#measure(plan, next);
    return { mode: 'partial', chains: plan.chains };
  }

  #measure(plan: Plan, { standing, tail }: CompiledState): void {
    for (const table of ['filter', 'nat'] as const) {
      let rules = this.#rules[table] + tail.filter((one) => one.table === table).length;
      for (const lines of standing[table].values()) rules += lines.length;
      const labels = { table, ip_family: this.#family };
      proxyMetrics.iptablesRules.set(labels, rules);
      proxyMetrics.iptablesRulesLast.set(labels, plan.written(table));
    }
  }

  async #carryOut(plan: Plan): Promise<void> {
    for (const text of plan.inputs(await this.#writeLimits())) {
      await this.#restore(text);
      await letOthersIn();
    }
  }

  async #writeLimits(): Promise<WriteLimits> {
    this.#limits ??= limitsOf((await this.#exec([this.#iptables, '--version'])).stdout.includes('legacy'));
    return this.#limits;
  }

  async #acceptsAtOnce({ ports, rulesOf, standing, tail }: CompiledState, start: number, end: number): Promise<boolean> {
    const plan = new Plan();
    for (const table of tables) {
      for (const [chain, rules] of standing[table]) plan.declare(table, chain, rules);
      for (const chain of dispatchChains[table]) plan.declare(table, chain, []);
    }
    for (const port of ports.slice(start, end)) plan.changePort(undefined, rulesOf(port));
    for (const { table, chain, rule } of tail) plan.append(table, chain, rule);
    try {
      const all = { chains: Number.POSITIVE_INFINITY, edits: Number.POSITIVE_INFINITY };
      for (const text of plan.inputs(all)) await this.#restore(text, '--test');
      return true;
    } catch (error) {
      if (error instanceof RestoreError) return false;
      throw error;
    }
  }

  async #save(): Promise<Ruleset> {
    const { stdout } = await this.#exec([`${this.#iptables}-save`], { timeoutMs: restoreTimeoutMs });
    return await inTurns(parseSaveSteps(stdout));
  }

  /** The rules of one chain; undefined when there is no such chain. */
  async #list(table: Table, chain: string): Promise<string[] | undefined> {
    try {
      const { stdout } = await this.#exec([this.#iptables, ...wait, '-t', table, '-S', chain]);
      const start = `-A ${chain} `;
      return stdout.split('\n').flatMap((line) => (line.startsWith(start) ? line.slice(start.length) : []));
    } catch (error) {
      if (error instanceof ExecError && error.result.exitCode === 1) return undefined;
      throw error;
    }
  }

  async #restore(text: string, ...options: string[]): Promise<void> {
    try {
      const argv = [`${this.#iptables}-restore`, ...wait, '--noflush', ...options];
      await this.#exec(argv, { stdin: text, timeoutMs: restoreTimeoutMs });
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      const line = failedLine(error.result.stderr, text);
      const where = line === undefined ? '' : ` (${line})`;
      throw new RestoreError(`${this.#iptables}-restore: ${error.result.stderr.trim()}${where}`, { cause: error });
    }
  }
}

/** What differs in the rules that do not depend on services. */
function planStanding(plan: Plan, previous: CompiledState, next: CompiledState): void {
  for (const table of tables)
    for (const [chain, rules] of next.standing[table])
      if (!sameLines(previous.standing[table].get(chain), rules)) plan.declare(table, chain, rules);
  const rulesOf = ({ tail }: CompiledState): string[] => tail.map(({ table, chain, rule }) => `${table} ${chain} ${rule}`);
  if (sameLines(rulesOf(previous), rulesOf(next))) return;
  for (const { table, chain, rule } of previous.tail) plan.remove(table, chain, rule);
  for (const { table, chain, rule } of next.tail) plan.append(table, chain, rule);
}
