/** What has to change in the kernel, and the inputs of iptables-restore that change it. Pure. */
import { isServiceChain, type Table } from './chains.ts';
import type { PortRules } from './rule-writer.ts';
import { renderTable } from './ruleset.ts';

/** The tables in the order in which one input writes them. */
export const tables = ['mangle', 'filter', 'nat'] as const;

/**
 * Limits of one iptables-restore. iptables-nft-restore needs time in proportion to the square of the lines that it commits at once
 * (10,000 services in one commit take minutes, in commits of 1000 chains eight seconds).
 */
export interface WriteLimits {
  chains: number;
  edits: number;
}

/** Changes of a chain that is shared by services. */
interface DispatchChange {
  removed: string[];
  inserted: string[];
  appended: string[];
}

interface TablePlan {
  declared: Map<string, readonly string[]>;
  dispatch: Map<string, DispatchChange>;
  /** Lines for the kernel's own chains. */
  base: string[];
  stale: string[];
}

const emptyTable = (): TablePlan => ({ declared: new Map(), dispatch: new Map(), base: [], stale: [] });

/** Collects changes, see {@link Plan.inputs}. */
export class Plan {
  readonly #tables: Record<Table, TablePlan> = { mangle: emptyTable(), filter: emptyTable(), nat: emptyTable() };

  /** Creates the chain, or replaces its rules. */
  declare(table: Table, chain: string, rules: readonly string[]): void {
    this.#tables[table].declared.set(chain, rules);
  }

  /** Deletes a chain. Nothing may jump to it when the plan has been carried out. */
  drop(table: Table, chain: string): void {
    this.#tables[table].stale.push(chain);
  }

  /** Removes a rule of a shared chain. */
  remove(table: Table, chain: string, rule: string): void {
    this.#dispatch(table, chain).removed.push(rule);
  }

  /** Adds a rule at the front of a shared chain: iptables then needs not read the chain. */
  insert(table: Table, chain: string, rule: string): void {
    this.#dispatch(table, chain).inserted.push(rule);
  }

  /** Adds a rule at the end of a shared chain. */
  append(table: Table, chain: string, rule: string): void {
    this.#dispatch(table, chain).appended.push(rule);
  }

  /** A line for one of the kernel's own chains. */
  base(table: Table, line: string): void {
    this.#tables[table].base.push(line);
  }

  /** By how many rules the plan changes each table, as far as service ports are concerned. */
  readonly growth: Record<Table, number> = { mangle: 0, filter: 0, nat: 0 };

  /** How many rules the plan writes into a table. */
  written(table: Table): number {
    const { declared, dispatch } = this.#tables[table];
    let count = 0;
    for (const rules of declared.values()) count += rules.length;
    for (const { inserted, appended } of dispatch.values()) count += inserted.length + appended.length;
    return count;
  }

  /** Changes one service port. */
  changePort(before: PortRules | undefined, after: PortRules | undefined): void {
    for (const [chain, rules] of after?.chains ?? [])
      if (!sameLines(before?.chains.get(chain), rules)) this.declare('nat', chain, rules);
    for (const chain of before?.chains.keys() ?? []) if (after?.chains.has(chain) !== true) this.drop('nat', chain);
    for (const [rules, sign] of [
      [before, -1],
      [after, 1],
    ] as const) {
      for (const lines of rules?.chains.values() ?? []) this.growth.nat += sign * lines.length;
      for (const { table } of rules?.dispatch ?? []) this.growth[table] += sign;
    }
    const old = new Set(before?.dispatch.map(({ table, chain, rule }) => `${table} ${chain} ${rule}`));
    for (const { table, chain, rule } of after?.dispatch ?? [])
      if (!old.delete(`${table} ${chain} ${rule}`)) this.insert(table, chain, rule);
    for (const { table, chain, rule } of before?.dispatch ?? [])
      if (old.delete(`${table} ${chain} ${rule}`)) this.remove(table, chain, rule);
  }

  /** Number of chains that are written or deleted. */
  get chains(): number {
    return tables.reduce((sum, table) => {
      const { declared, dispatch, stale } = this.#tables[table];
      const edited = [...dispatch.keys()].filter((chain) => !declared.has(chain));
      return sum + declared.size + stale.length + edited.length;
    }, 0);
  }

  get isEmpty(): boolean {
    return tables.every((table) => this.chains === 0 && this.#tables[table].base.length === 0);
  }

  /**
   * The inputs of iptables-restore, in order. A small plan is one input. In a large one, chains come before the rules that jump to
   * them, and go after these, so that after each input every jump has its chain.
   */
  *inputs(limits: WriteLimits): Generator<string> {
    const small = tables.every((table) => {
      const { declared, dispatch, stale } = this.#tables[table];
      const edits = [...dispatch.values()].reduce((sum, one) => sum + editsOf('', one).length, 0);
      return declared.size + stale.length <= limits.chains && edits <= limits.edits;
    });
    if (small) {
      const text = tables.map((table) => this.#wholeTable(table)).join('');
      if (text !== '') yield text;
      return;
    }
    for (const table of tables) yield* stagedInputs(table, this.#tables[table], limits);
  }

  #dispatch(table: Table, chain: string): DispatchChange {
    const { dispatch } = this.#tables[table];
    const known = dispatch.get(chain) ?? { removed: [], inserted: [], appended: [] };
    dispatch.set(chain, known);
    return known;
  }

  #wholeTable(table: Table): string {
    const { declared, dispatch, base, stale } = this.#tables[table];
    const edits = [...dispatch].flatMap(([chain, change]) => editsOf(chain, change));
    if (declared.size + edits.length + base.length + stale.length === 0) return '';
    return section(table, declared, stale, [...edits, ...base]);
  }
}

const editsOf = (chain: string, { removed, inserted, appended }: DispatchChange): string[] => [
  ...removed.map((rule) => `-D ${chain} ${rule}`),
  ...inserted.map((rule) => `-I ${chain} ${rule}`),
  ...appended.map((rule) => `-A ${chain} ${rule}`),
];

function* stagedInputs(table: Table, { declared, dispatch, base, stale }: TablePlan, limits: WriteLimits): Generator<string> {
  // A chain of a shared kind may be declared with jumps to every service.
  const chains = [...declared].sort(([a], [b]) => jumpRank(b) - jumpRank(a));
  for (const part of batches(chains, limits.chains)) yield section(table, new Map(part), [], []);
  const edits = [...dispatch].flatMap(([chain, change]) => editsOf(chain, change));
  for (const part of batches(edits, limits.edits)) yield section(table, new Map(), [], part);
  if (base.length > 0) yield section(table, new Map(), [], base);
  for (const part of batches(
    stale.toSorted((a, b) => jumpRank(a) - jumpRank(b)),
    limits.chains,
  ))
    yield section(table, new Map(), part, []);
}

const jumpOrder = ['KUBE-FW-', 'KUBE-EXT-', 'KUBE-SVC-', 'KUBE-SVL-', 'KUBE-SEP-'];

/** Chains of a lower rank jump to chains of a higher rank only. The chains that all services share come before their own. */
function jumpRank(chain: string): number {
  if (chain === 'KUBE-MARK-MASQ') return jumpOrder.length;
  return isServiceChain(chain) ? jumpOrder.findIndex((prefix) => chain.startsWith(prefix)) : -1;
}

function* batches<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** The section of one table that writes `content`, does what `edits` say, and deletes the chains `stale`. */
function section(
  table: Table,
  content: ReadonlyMap<string, readonly string[]>,
  stale: readonly string[],
  edits: readonly string[],
): string {
  // A chain can be deleted only when it is empty and no rule jumps to it. Its chain line empties it, and the lines before `-X`
  // remove every jump to it.
  const withStale = new Map([...content, ...stale.map((chain): [string, string[]] => [chain, []])]);
  return renderTable(table, withStale, [...edits, ...stale.map((chain) => `-X ${chain}`)]);
}

/** Whether two chains have the same rules. Undefined stands for a chain that does not exist. */
export function sameLines(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((line, index) => line === b[index]);
}
