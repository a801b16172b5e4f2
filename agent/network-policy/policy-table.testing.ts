/** A table in memory that carries out the scripts of ruleset.ts as strictly as the kernel does. */
import type { PolicyTable, TableShape } from './policy-table.ts';

type Elements = Map<string, string>;

export class FakeTable implements PolicyTable {
  chains = new Map<string, string[]>();
  sets = new Map<string, Elements>();
  exists = false;
  /** The scripts that were applied. */
  readonly scripts: string[] = [];
  /** The error of the next calls; undefined: they succeed. */
  failure: Error | undefined;

  async apply(script: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const before = { chains: structuredClone(this.chains), sets: structuredClone(this.sets), exists: this.exists };
    try {
      for (const line of script.split('\n')) if (line !== '') this.#command(line);
      this.#checkReferences();
    } catch (error) {
      Object.assign(this, before);
      throw error;
    }
    this.scripts.push(script);
  }

  async read(): Promise<TableShape | undefined> {
    if (!this.exists) return undefined;
    return { chains: new Map(Array.from(this.chains, ([name, rules]) => [name, rules.length])), sets: new Set(this.sets.keys()) };
  }

  async remove(): Promise<void> {
    this.flush();
  }

  flush(): void {
    this.exists = false;
    this.chains = new Map();
    this.sets = new Map();
  }

  /** Everything that it holds, sorted, for comparisons. */
  content(): { chains: Record<string, string[]>; sets: Record<string, string[]> } {
    const sorted = <V>(map: Map<string, V>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      chains: Object.fromEntries(sorted(this.chains)),
      sets: Object.fromEntries(
        sorted(this.sets).map(([name, elements]) => [
          name,
          Array.from(elements, ([key, rest]) => `${key} ${rest}`.trim()).sort(),
        ]),
      ),
    };
  }

  #command(line: string): void {
    const [action = '', kind = '', , , name = '', ...words] = line.split(' ');
    const rest = words.join(' ');
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (kind === 'table') {
      if (action === 'delete') this.flush();
      else this.exists = true;
      return;
    }
    if (!this.exists) fail('no such table');
    const chain = (): string[] => this.chains.get(name) ?? fail('no such chain');
    const set = (): Elements => this.sets.get(name) ?? fail('no such set');
    switch (`${action} ${kind}`) {
      case 'add chain':
        this.chains.set(name, this.chains.get(name) ?? []);
        return;
      case 'flush chain':
        chain().length = 0;
        return;
      case 'delete chain':
        if (chain().length > 0) fail('not empty');
        this.chains.delete(name);
        return;
      case 'add rule':
        chain().push(rest);
        return;
      case 'add set':
      case 'add map':
        this.sets.set(name, this.sets.get(name) ?? new Map());
        return;
      case 'flush set':
        set().clear();
        return;
      case 'delete set':
        set();
        this.sets.delete(name);
        return;
      case 'add element':
      case 'delete element':
        for (const element of rest.replace(/^\{ | \}$/g, '').split(', ')) {
          const [key = '', ...more] = element.split(' comment ');
          if (action === 'add') {
            if (set().get(key) !== undefined && set().get(key) !== more.join('')) fail('exists');
            set().set(key, more.join(''));
          } else if (!set().delete(key)) fail('no such element');
        }
        return;
      default:
        fail('unknown command');
    }
  }

  /** The kernel deletes nothing that is still in use. */
  #checkReferences(): void {
    const used = [...this.chains.values(), ...[...this.sets.values()].map((elements) => [...elements.values()])].flat();
    for (const text of used) {
      for (const [, chain = ''] of text.matchAll(/(?:jump|goto) (\S+)/g))
        if (!this.chains.has(chain)) throw new Error(`in use: ${chain}`);
      for (const [, set = ''] of text.matchAll(/@(\S+)/g)) if (!this.sets.has(set)) throw new Error(`in use: ${set}`);
    }
  }
}
