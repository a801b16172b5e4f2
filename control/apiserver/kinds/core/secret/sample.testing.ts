/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  secrets: { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'e30=' } },
};
