/**
 * Whether a packet can be sent to the port. Objects are checked here again, because the API server does not check every port of a
 * slice.
 */
export const isPort = (port: unknown): port is number => Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535;
