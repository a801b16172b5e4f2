/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  configmaps: { data: { a: 'b' }, binaryData: { c: 'eA==' } },
};
