/** `npm run bench -- <name>`: runs one of the benchmarks in this folder. They report numbers and assert nothing. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));
const [name = ''] = process.argv.slice(2);
if (!names.includes(name) || !existsSync(`${folder}${name}.ts`)) {
  console.error(`usage: npm run bench -- <${names.join('|')}>`);
  process.exit(2);
}
await import(`./${name}.ts`);
