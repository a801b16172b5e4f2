/**
 * kube-proxy's nftables mode: one table `kube-proxy` per address family. Services are elements of maps, so that the way of a packet and a change
 * cost the same with ten services and with ten thousand.
 *
 * Writes: the table `kube-proxy` of its family.
 * Source: kubernetes.io, "Virtual IPs and Service Proxies", nftables proxy mode; nft(8).
 */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import { type Applied, type Backend, type BackendDeps, type BackendOptions, fullSyncPeriodMs, RefusedError } from '../backend.ts';
import { proxyMetrics } from '../metrics.ts';
import { findRefused } from '../quarantine.ts';
import { portsDelta, type ServicePortState, type ServiceState, servicePortKey } from '../state.ts';
import { type Item, type ItemChanges, ItemIndex } from './items.ts';
import { readListing, type TableListing } from './listing.ts';
import { familyWords, tableName } from './names.ts';
import { portItems } from './port-items.ts';
import { standingChainNames, type TableOptions, TableText } from './table.ts';

/** Makes the nftables backend of one address family. The factory itself runs no program. */
export function createNftablesBackend(deps: BackendDeps, options: BackendOptions): Backend {
  return new NftablesBackend(deps, options);
}

const timeoutMs = 300_000;
const portsPerTurn = 100;
/** How many ports one {@link NftablesBackend.probe} looks at. */
const probedPorts = 20;

/** nft does not accept what it was given. */
class NftError extends Error {
  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.name = 'NftError';
  }
}

/** What the table holds as far as this process knows. */
interface Written {
  ports: readonly ServicePortState[];
  index: ItemIndex;
  options: TableOptions;
  /** Of each standing chain the handles of its rules. */
  handles: Map<string, string[]>;
  atMs: number;
}

class NftablesBackend implements Backend {
  readonly #exec: Exec;
  readonly #deps: BackendDeps;
  readonly #options: BackendOptions;
  readonly #table: string;
  #written: Written | undefined;
  /** Chains that are empty, and could not be deleted yet. */
  #stale: string[] = [];
  #cursor = 0;

  constructor(deps: BackendDeps, options: BackendOptions) {
    this.#deps = deps;
    this.#exec = deps.exec;
    this.#options = options;
    this.#table = `${familyWords[options.family].ip} ${tableName}`;
  }

  async apply(state: ServiceState): Promise<Applied> {
    // Node ports do not answer on the loopback in this mode, as upstream's.
    const nodePortIps = this.#options.nodePortIps?.()?.filter((ip) => !ip.startsWith('127.') && ip !== '::1');
    const options: TableOptions = { ...this.#options, nodePortIps };
    const written = this.#written;
    const isCurrent =
      written !== undefined &&
      this.#deps.clock.now() - written.atMs < fullSyncPeriodMs &&
      String(written.options.nodePortIps) === String(options.nodePortIps);
    this.#written = undefined;
    try {
      return isCurrent ? await this.#applyPartial(written, state) : await this.#applyFull(state, options);
    } catch (error) {
      if (!(error instanceof NftError)) throw error;
      proxyMetrics.nftablesFailures.inc({ ip_family: this.#options.family });
      if (isCurrent) {
        this.#deps.warn(`partial update refused, writing all rules: ${error.message}`);
        return await this.apply(state);
      }
      const refused = await findRefused(state, (part) => this.#accepts(part, options));
      throw new RefusedError(error.message, refused, { cause: error });
    }
  }

  async intact(): Promise<boolean> {
    const written = this.#written;
    if (written === undefined) return true;
    const listing = await this.#list();
    const rules = standingChainNames(written.options);
    const elements = new Map<string, number>([['nodeport-ips', written.options.nodePortIps?.length ?? 0]]);
    let count = 0;
    for (const { kind, name, value } of written.index.all()) {
      if (++count % 10_000 === 0) await letOthersIn();
      if (this.#written !== written) return true;
      if (kind === 'chain') rules.set(name, value.split('\n').length);
      if (kind !== 'element') continue;
      const container = name.slice(0, name.indexOf(' '));
      elements.set(container, (elements.get(container) ?? 0) + 1);
    }
    const stands =
      listing !== undefined &&
      [...rules].every(([chain, length]) => listing.chains.get(chain)?.length === length) &&
      [...elements].every(([container, length]) => listing.containers.get(container) === length);
    // What was written meanwhile is not what was looked at.
    if (stands || this.#written !== written) return true;
    this.#written = undefined;
    return false;
  }

  /** Asks the kernel whether the standing rules, and the elements of some ports, could be deleted. Nothing is deleted. */
  async probe(): Promise<boolean> {
    const written = this.#written;
    if (written === undefined) return true;
    const lines: string[] = [];
    const names = new Set<string>();
    for (let round = 0; round < Math.min(probedPorts, written.ports.length); round++) {
      this.#cursor = (this.#cursor + 1) % written.ports.length;
      const port = written.ports[this.#cursor];
      if (port !== undefined)
        for (const { kind, name } of portItems(port, this.#options)) if (kind === 'element') names.add(name);
    }
    for (const name of names) {
      const space = name.indexOf(' ');
      lines.push(`delete element ${this.#table} ${name.slice(0, space)} { ${name.slice(space + 1)} }`);
    }
    for (const [chain, handles] of written.handles)
      for (const handle of handles) lines.push(`delete rule ${this.#table} ${chain} handle ${handle}`);
    try {
      await this.#run(`${lines.join('\n')}\n`, '--check');
      return true;
    } catch (error) {
      if (!(error instanceof NftError)) throw error;
      this.#written = undefined;
      return false;
    }
  }

  async remove(): Promise<void> {
    this.#written = undefined;
    this.#stale = [];
    await this.#run(`add table ${this.#table}\ndelete table ${this.#table}\n`);
  }

  async #applyFull(state: ServiceState, options: TableOptions): Promise<Applied> {
    const index = new ItemIndex();
    for (let start = 0; start < state.ports.length; start += portsPerTurn) {
      index.replace([], this.#itemsOf(state.ports.slice(start, start + portsPerTurn)));
      await letOthersIn();
    }
    const text = new TableText(options);
    const present = await this.#list('--terse');
    const leftovers = leftoversOf(index, present, options);
    await this.#run(await inOnePiece(text.full(itemsOf(index), leftovers)));
    this.#stale = [...leftovers.chains];
    await this.#deleteStale(text);
    const listing = await this.#list('--terse', '--handle');
    const handles = new Map<string, string[]>();
    for (const chain of standingChainNames(options).keys()) {
      const found = listing?.chains.get(chain) ?? [];
      handles.set(
        chain,
        found.map((rule) => / # handle (\d+)$/.exec(rule)?.[1] ?? ''),
      );
    }
    this.#written = { ports: state.ports, index, options, handles, atMs: this.#deps.clock.now() };
    return { mode: 'full', chains: index.size + handles.size };
  }

  async #applyPartial(written: Written, state: ServiceState): Promise<Applied> {
    const { gone, fresh } = portsDelta(state, written.ports);
    const changes = written.index.replace(this.#itemsOf(gone), this.#itemsOf(fresh));
    const count = changes.added.length + changes.changed.length + changes.removed.length;
    const text = new TableText(written.options);
    const revived = new Set(changes.added.filter(({ kind }) => kind === 'chain').map(({ name }) => name));
    this.#stale = this.#stale.filter((chain) => !revived.has(chain));
    if (count > 0) await this.#run(await inOnePiece(text.changes(changes)));
    this.#stale.push(...staleOf(changes));
    await this.#deleteStale(text);
    this.#written = { ...written, ports: state.ports };
    return count === 0 ? { mode: 'unchanged', chains: 0 } : { mode: 'partial', chains: count };
  }

  /** Until Linux 6.2, a chain is in use for a moment after the last element that led to it has gone: the next call tries again. */
  async #deleteStale(text: TableText): Promise<void> {
    if (this.#stale.length === 0) return;
    try {
      await this.#run(text.deleteChains(this.#stale));
      this.#stale = [];
    } catch (error) {
      if (!(error instanceof NftError && error.message.includes('busy'))) throw error;
    }
  }

  *#itemsOf(ports: readonly ServicePortState[]): Generator<[owner: string, items: Item[]]> {
    for (const port of ports) yield [servicePortKey(port), portItems(port, this.#options)];
  }

  async #accepts({ ports }: ServiceState, options: TableOptions): Promise<boolean> {
    const index = new ItemIndex();
    index.replace([], this.#itemsOf(ports));
    try {
      await this.#run(await inOnePiece(new TableText(options).full(itemsOf(index), { chains: [], sets: [] })), '--check');
      return true;
    } catch (error) {
      if (error instanceof NftError) return false;
      throw error;
    }
  }

  /** What the table holds; undefined when there is no table. */
  async #list(...flags: string[]): Promise<TableListing | undefined> {
    try {
      const argv = ['nft', '--numeric', ...flags, 'list', 'table', ...this.#table.split(' ')];
      const { stdout } = await this.#exec(argv, { timeoutMs, maxOutputBytes: 512 * 1024 * 1024 });
      return await inTurns(readListing(stdout));
    } catch (error) {
      if (error instanceof ExecError && error.result.stderr.includes('No such file or directory')) return undefined;
      throw error;
    }
  }

  /** @throws NftError when nft or the kernel refuses the text. Nothing of it is then in force */
  async #run(text: string, ...flags: string[]): Promise<void> {
    try {
      await this.#exec(['nft', ...flags, '--file', '-'], { stdin: text, timeoutMs });
    } catch (error) {
      if (!(error instanceof ExecError) || error.result.exitCode !== 1) throw error;
      const message = error.result.stderr.trim().slice(0, 2000);
      throw new NftError(`nft: ${message}`, { cause: error });
    }
  }
}

/** Can be walked several times. */
const itemsOf = (index: ItemIndex): Iterable<Item> => ({ [Symbol.iterator]: () => index.all() });

async function inOnePiece(pieces: Iterable<string>): Promise<string> {
  const all: string[] = [];
  let length = 0;
  for (const piece of pieces) {
    all.push(piece);
    length += piece.length;
    if (length < 200_000) continue;
    length = 0;
    await letOthersIn();
  }
  return all.join('');
}

const staleOf = ({ removed }: ItemChanges): string[] => removed.filter(({ kind }) => kind === 'chain').map(({ name }) => name);

function leftoversOf(
  index: ItemIndex,
  present: TableListing | undefined,
  options: TableOptions,
): { chains: string[]; sets: string[] } {
  const wanted = new Set<string>(standingChainNames(options).keys());
  for (const { kind, name } of index.all()) if (kind !== 'element') wanted.add(name);
  return {
    chains: [...(present?.chains.keys() ?? [])].filter((name) => !wanted.has(name)),
    sets: [...(present?.containers.keys() ?? [])].filter((name) => name.startsWith('affinity-') && !wanted.has(name)),
  };
}
