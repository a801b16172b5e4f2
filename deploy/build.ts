/** `npm run build`: bundles the program into dist/. */
import { buildProgram } from '#lab/program.ts';

await buildProgram();
