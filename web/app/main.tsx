import "@fontsource-variable/inter/wght.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/pages.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { keepToken } from "./data/server.ts";
import { isolate } from "./isolate.ts";

keepToken();
void isolate();
render(<App />, document.getElementById("app")!);
