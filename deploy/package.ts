/** `npm run package`: Debian packages of the executables and an archive of the components' images, in dist/. */
import { execFile } from '#agent/host/exec.ts';
import { distFolder } from '#lab/program.ts';
import { buildPackage } from './debian/package.ts';
import { buildExecutables } from './executable.ts';
import { buildImageArchive } from './images.ts';

for (const architecture of await buildExecutables(execFile)) console.log(await buildPackage(architecture, distFolder, execFile));
console.log(await buildImageArchive(distFolder, execFile));
