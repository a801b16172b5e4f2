/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  endpoints: {
    subsets: [
      { addresses: [{ ip: '10.0.0.1', hostname: 'h', nodeName: 'n' }], ports: [{ name: 'p', port: 80, appProtocol: 'http' }] },
    ],
  },
};
