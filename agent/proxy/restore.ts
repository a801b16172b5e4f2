/** What is written to iptables-restore, and what iptables-save tells. Pure. */
import { chains, isServiceChain, jumps, type Table } from './chains.ts';
import { type Ruleset, renderTable } from './ruleset.ts';

const tables = ['mangle', 'filter', 'nat'] as const;

/** What `iptables-save` prints: chains and rule lines per table. */
export interface SavedRules {
  chains: Record<Table, ReadonlySet<string>>;
  rules: Record<Table, ReadonlySet<string>>;
}

export function parseSave(text: string): SavedRules {
  const saved = {
    chains: { mangle: new Set<string>(), nat: new Set<string>(), filter: new Set<string>() },
    rules: { mangle: new Set<string>(), nat: new Set<string>(), filter: new Set<string>() },
  };
  let table: Table | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = tables.find((name) => line === `*${name}`);
    else if (table === undefined) continue;
    else if (line.startsWith(':')) saved.chains[table].add(line.slice(1, line.indexOf(' ')));
    else if (line.startsWith('-A ')) saved.rules[table].add(line);
  }
  return saved;
}

/** Writes every chain anew, deletes service chains that are not ours any more, puts missing jumps in front. */
export function fullRestore(next: Ruleset, saved: SavedRules): string {
  return tables
    .map((table) => {
      const stale = [...saved.chains[table]].filter((chain) => isServiceChain(chain) && !next[table].has(chain)).sort();
      const missing = jumps.filter(({ table: of, from, rule }) => of === table && !saved.rules[table].has(`-A ${from} ${rule}`));
      const inserts = missing.map(({ from, rule }) => `-I ${from} 1 ${rule}`);
      return renderSection(table, next[table], stale, inserts);
    })
    .join('');
}

/** Writes only the chains whose content differs, and deletes those that are gone; `text` is empty when nothing differs. */
export function partialRestore(previous: Ruleset, next: Ruleset): { text: string; chains: number } {
  let count = 0;
  const sections = tables.map((table) => {
    const changed = new Map([...next[table]].filter(([chain, rules]) => !sameLines(previous[table].get(chain), rules)));
    const stale = [...previous[table].keys()].filter((chain) => !next[table].has(chain));
    count += changed.size + stale.length;
    return changed.size + stale.length === 0 ? '' : renderSection(table, changed, stale, []);
  });
  return { text: sections.join(''), chains: count };
}

/** Removes all that a proxy has ever written: the jumps, then the chains. KUBE-FIREWALL stays, for it is the kubelet's too. */
export function cleanupRestore(saved: SavedRules): string {
  const own: ReadonlySet<string> = new Set(Object.values(chains).filter((chain) => chain !== chains.firewall));
  return tables
    .map((table) => {
      const ours = [...saved.chains[table]].filter((chain) => own.has(chain) || isServiceChain(chain)).sort();
      const present = jumps.filter(
        ({ table: of, from, to, rule }) => of === table && own.has(to) && saved.rules[table].has(`-A ${from} ${rule}`),
      );
      const deletions = present.map(({ from, rule }) => `-D ${from} ${rule}`);
      return ours.length === 0 ? '' : renderSection(table, new Map(), ours, deletions);
    })
    .join('');
}

function renderSection(
  table: Table,
  content: ReadonlyMap<string, readonly string[]>,
  stale: readonly string[],
  baseRules: readonly string[],
): string {
  // A chain can be deleted only when empty and unused: its chain line empties it, and by the end nobody jumps to it.
  const withStale = new Map([...content, ...stale.map((chain): [string, string[]] => [chain, []])]);
  return renderTable(table, withStale, [...baseRules, ...stale.map((chain) => `-X ${chain}`)]);
}

function sameLines(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((line, index) => line === b[index]);
}

/** The line of the input that iptables-restore complained about: `line 12: -A …`; undefined where it names none. */
export function failedLine(stderr: string, input: string): string | undefined {
  const match = /line:? (\d+)/.exec(stderr);
  if (match?.[1] === undefined) return undefined;
  return `line ${match[1]}: ${input.split('\n')[Number(match[1]) - 1] ?? '(beyond the end of the input)'}`;
}
