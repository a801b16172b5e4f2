/** Builds the input of iptables-restore and parses the output of iptables-save. Pure. */
import { chains, isServiceChain, jumps, kubeletCanary, localnetComment, type Table } from './chains.ts';
import { type Ruleset, renderTable } from './ruleset.ts';

const tables = ['mangle', 'filter', 'nat'] as const;

/**
 * Parses the output of `iptables-save`: every chain with its rules (without `-A chain`), the kernel's own and foreign chains
 * included.
 */
export function parseSave(text: string): Ruleset {
  const saved = { mangle: new Map<string, string[]>(), nat: new Map<string, string[]>(), filter: new Map<string, string[]>() };
  let table: Table | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = tables.find((name) => line === `*${name}`);
    else if (table === undefined) continue;
    else if (line.startsWith(':')) saved[table].set(line.slice(1, line.indexOf(' ')), []);
    else if (line.startsWith('-A ')) {
      const end = line.indexOf(' ', 3);
      saved[table].get(line.slice(3, end))?.push(line.slice(end + 1));
    }
  }
  return saved;
}

/** The input that writes every chain, deletes service chains that are not in `next`, and inserts missing jumps at the front. */
export function fullRestore(next: Ruleset, saved: Ruleset): string {
  return tables
    .map((table) => {
      const stale = [...saved[table].keys()].filter((chain) => isServiceChain(chain) && !next[table].has(chain)).sort();
      const missing = jumps.filter(
        ({ table: of, from, rule }) => of === table && saved[table].get(from)?.includes(rule) !== true,
      );
      const inserts = missing.map(({ from, rule }) => `-I ${from} 1 ${rule}`);
      return renderSection(table, next[table], stale, inserts);
    })
    .join('');
}

/**
 * Whether `saved` still holds `applied`: each chain has as many rules, and the kernel's own chains lead to it. The numbers of
 * rules are compared, because iptables-save may print a rule in another spelling than it was written in.
 */
export function isInPlace(applied: Ruleset, saved: Ruleset): boolean {
  return tables.every((table) => {
    const chainsStand = [...applied[table]].every(([chain, rules]) => {
      const found = saved[table].get(chain)?.length;
      // The kubelet may have rules of its own in the chain that both share.
      return found !== undefined && (chain === chains.firewall ? found >= rules.length : found === rules.length);
    });
    const reached = jumps.every(
      ({ table: of, from, to }) => of !== table || saved[table].get(from)?.some((rule) => targetOf(rule) === to) === true,
    );
    return chainsStand && reached;
  });
}

/**
 * The input that writes only the chains whose rules differ, and deletes those that `next` has not. `text` is empty when nothing
 * differs.
 */
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

/**
 * The input that removes everything a proxy has written in any run: first the jumps to its chains, then the chains. KUBE-FIREWALL
 * belongs to the kubelet too: it stays when the kubelet's canary exists, or when it has foreign rules.
 */
export function cleanupRestore(saved: Ruleset): string {
  const kubeletIsHere = tables.some((table) => saved[table].has(kubeletCanary));
  const firewallIsOurs =
    !kubeletIsHere && (saved.filter.get(chains.firewall) ?? []).every((rule) => rule.includes(localnetComment));
  const standing: ReadonlySet<string> = new Set(
    Object.values(chains).filter((chain) => chain !== chains.firewall || firewallIsOurs),
  );
  const isOurs = (chain: string): boolean => standing.has(chain) || isServiceChain(chain);
  return tables
    .map((table) => {
      const ours = [...saved[table].keys()].filter(isOurs).sort();
      const deletions = [...saved[table]]
        .filter(([chain]) => !isOurs(chain))
        .flatMap(([chain, rules]) => rules.filter((rule) => isOurs(targetOf(rule) ?? '')).map((rule) => `-D ${chain} ${rule}`));
      return ours.length === 0 ? '' : renderSection(table, new Map(), ours, deletions);
    })
    .join('');
}

/** The chain or target that a rule jumps to, in the spelling of iptables-save. Undefined for a rule without one. */
const targetOf = (rule: string): string | undefined => /(?:^| )-[jg] (\S+)/.exec(rule.replaceAll(/"(\\.|[^"\\])*"/g, '""'))?.[1];

function renderSection(
  table: Table,
  content: ReadonlyMap<string, readonly string[]>,
  stale: readonly string[],
  baseRules: readonly string[],
): string {
  // A chain can be deleted only when it is empty and no rule jumps to it. Its chain line empties it, and the lines before `-X`
  // remove every jump to it.
  const withStale = new Map([...content, ...stale.map((chain): [string, string[]] => [chain, []])]);
  return renderTable(table, withStale, [...baseRules, ...stale.map((chain) => `-X ${chain}`)]);
}

function sameLines(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((line, index) => line === b[index]);
}

/** The line of the input that iptables-restore refused: `line 12: -A …`. Undefined when its message names none. */
export function failedLine(stderr: string, input: string): string | undefined {
  const match = /line:? (\d+)/.exec(stderr);
  if (match?.[1] === undefined) return undefined;
  return `line ${match[1]}: ${input.split('\n')[Number(match[1]) - 1] ?? '(beyond the end of the input)'}`;
}
