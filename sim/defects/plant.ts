/**
 * Plants a defect: while a module of ours is loaded, an expression of it is replaced. The production code has no switch for it, and a file
 * that no longer has the expression is an error, so that no defect silently stops being one.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Defect, defects } from './defects.ts';

const root = new URL('../..', import.meta.url).href;

/** From now on, this thread's modules have the defect. Call it before they are loaded. @throws Error for a name that is not known */
export function plant(name: string): void {
  const defect = defects.find((one) => one.name === name);
  if (defect === undefined) throw new Error(`no defect is called "${name}": ${defects.map((one) => one.name).join(', ')}`);
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const edits = defect.edits.filter(({ file }) => url === `${root}${file}`);
      if (edits.length === 0 || loaded.source == null) return loaded;
      const source =
        typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8');
      return { ...loaded, source: changed(defect, fileURLToPath(url), source, edits) };
    },
  });
}

/** The source with the defect. @throws Error when what is to be replaced is not there exactly once */
export function changed({ name }: Pick<Defect, 'name'>, path: string, source: string, edits: Defect['edits']): string {
  let text = source;
  for (const { from, to } of edits) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`defect "${name}": ${path} has ${parts.length - 1} times, and not once: ${from}`);
    text = parts.join(to);
  }
  return text;
}
