/** What Pulumi's mocks do not pass on: the requests by which a program declares its resources. */
import * as pulumi from "@pulumi/pulumi";
import { keyOf } from "../../host/deployed";

/** The part of a RegisterResourceRequest that identifies the resource. */
interface Request {
  getType(): string;
  getName(): string;
}

interface Monitor {
  registerResource(request: unknown, answer: unknown): Promise<void>;
  registerResourceHook(request: unknown, answer: (error: null, value: unknown) => void): void;
}

/**
 * Records each request in `requests`, by `type::name` (see keyOf). To be called after `pulumi.runtime.setMocks`. Hooks are
 * accepted and ignored: only the engine calls them.
 */
export function recordRequests<Recorded extends Request>(requests: Map<string, Recorded>): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, answer) => {
    const recorded = request as Recorded;
    requests.set(keyOf(recorded.getType(), recorded.getName()), recorded);
    return register(request, answer);
  };
  monitor.registerResourceHook = (_, answer) => { answer(null, {}); };
}
