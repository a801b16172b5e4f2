/**
 * Plants a defect: replaces an expression of a module while it is loaded, so production code needs no switch for it. A file that no longer
 * contains the expression is an error, so that a defect cannot silently disappear.
 */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Defect, defects } from './defects.ts';

const root = new URL('../..', import.meta.url).href;

/** Plants the defect in this thread's modules. Call it before they are loaded. @throws Error for an unknown name */
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

/** The source with the defect. @throws Error unless the replaced expression occurs exactly once */
export function changed({ name }: Pick<Defect, 'name'>, path: string, source: string, edits: Defect['edits']): string {
  let text = source;
  for (const { from, to } of edits) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`defect "${name}": ${path} has ${parts.length - 1} times, and not once: ${from}`);
    text = parts.join(to);
  }
  return text;
}
