/** `npm run build`: the program in dist/, bundled and as an executable, and links by the names of the components. */
import { execFile } from '#agent/host/exec.ts';
import { buildExecutables, executablePath, programNames } from './executable.ts';

const built = await buildExecutables(execFile);
for (const architecture of built) console.log(executablePath(architecture));
console.log(`dist/bin/{${programNames.join(',')}}`);
