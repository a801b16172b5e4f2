/** Dumps the kernel's rules for tests that compare them. */
import type { Exec } from '#agent/host/exec.ts';

/** `nft list ruleset` without handles and counters. Elements of sets are sorted, as are the blocks of a table: their order has no meaning. */
export async function dumpNftables(exec: Exec): Promise<string> {
  const { stdout } = await exec(['nft', '--numeric', '--stateless', 'list', 'ruleset']);
  const sortedElements = stdout.replaceAll(/elements = \{([^}]*)\}/g, (_all, body: string) => {
    const elements = body.split(',').map((element) => element.trim().replaceAll(/\s+/g, ' '));
    return `elements = { ${elements.sort().join(', ')} }`;
  });
  return sortedElements
    .split(/\n(?=table )/)
    .map((table) => table.split(/\n\n?(?=\t(?:chain|set|map) )/))
    .map(([head = '', ...blocks]) => [head, ...blocks.map((block) => block.replace(/[\s}]*$/, '')).sort()].join('\n'))
    .sort()
    .join('\n');
}
