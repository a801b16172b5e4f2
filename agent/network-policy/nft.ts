/** Our table in the kernel, written and read by nft(8). */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { type PolicyTable, policyTable, type TableShape } from './policy-table.ts';

const timeoutMs = 60_000;

/** The table in the network namespace that `exec` runs in. */
export function createPolicyTable(exec: Exec): PolicyTable {
  return {
    async apply(script) {
      await exec(['nft', '-f', '-'], { stdin: script, timeoutMs });
    },
    async read() {
      try {
        // -t: without the elements of sets, of which there may be a hundred thousand.
        const { stdout } = await exec(['nft', '-j', '-t', 'list', 'table', ...policyTable.split(' ')], { timeoutMs });
        return shapeOf(stdout);
      } catch (error) {
        if (error instanceof ExecError && /No such file or directory/.test(error.result.stderr)) return undefined;
        throw error;
      }
    },
    async remove() {
      await exec(['nft', '-f', '-'], { stdin: `add table ${policyTable}\ndelete table ${policyTable}\n`, timeoutMs });
    },
  };
}

type Listed = Partial<Record<'chain' | 'set' | 'map' | 'rule', { name?: string; chain?: string }>>;

/** @param json as `nft -j list table` prints it */
function shapeOf(json: string): TableShape {
  const { nftables } = JSON.parse(json) as { nftables: Listed[] };
  const chains = new Map<string, number>();
  const sets = new Set<string>();
  for (const { chain, set, map, rule } of nftables) {
    if (chain?.name !== undefined) chains.set(chain.name, chains.get(chain.name) ?? 0);
    if (rule?.chain !== undefined) chains.set(rule.chain, (chains.get(rule.chain) ?? 0) + 1);
    const named = set ?? map;
    if (named?.name !== undefined) sets.add(named.name);
  }
  return { chains, sets };
}
