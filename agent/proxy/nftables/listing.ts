/** Reads the output of `nft list table`. Pure. */
import type { Steps } from '#api/steps.ts';

/** What a table holds. */
export interface TableListing {
  /** The rules of each chain, as nft prints them; with `--handle` each ends with `# handle 5`. */
  chains: Map<string, string[]>;
  /** The number of elements of each set and map. Zero in a terse listing. */
  containers: Map<string, number>;
}

const linesPerStep = 4000;

/** Reads the listing of one table. */
export function* readListing(text: string): Steps<TableListing> {
  const listing: TableListing = { chains: new Map(), containers: new Map() };
  let rules: string[] | undefined;
  let container: string | undefined;
  let inElements = false;
  let count = 0;
  for (let start = 0; start < text.length; ) {
    if (++count % linesPerStep === 0) yield;
    const newline = text.indexOf('\n', start);
    const line = text.slice(start, newline === -1 ? text.length : newline);
    start = newline === -1 ? text.length : newline + 1;
    const block = /^\t(chain|set|map) (\S+) \{/.exec(line);
    if (block !== null) {
      rules = block[1] === 'chain' ? [] : undefined;
      container = block[1] === 'chain' ? undefined : block[2];
      if (rules !== undefined) listing.chains.set(block[2] ?? '', rules);
      else listing.containers.set(block[2] ?? '', 0);
    } else if (line === '\t}') {
      rules = undefined;
      container = undefined;
    } else if (rules !== undefined) {
      if (!/^\t\t(type \S+ hook |comment )/.test(line)) rules.push(line.trim());
    } else if (container !== undefined && (inElements || line.startsWith('\t\telements = {'))) {
      // A key or value has no comma, and comments of elements are not written.
      const body = line.replace(/^\t\telements = \{/, '');
      inElements = !body.endsWith('}');
      const elements = body
        .replace(/\}$/, '')
        .split(',')
        .filter((element) => element.trim() !== '').length;
      listing.containers.set(container, (listing.containers.get(container) ?? 0) + elements);
    }
  }
  return listing;
}
