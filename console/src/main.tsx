import "@mantine/core/styles.css";
import "./styles.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app/App";
import { finishPopup } from "./auth/popup";
import { refuseStrayFiles } from "./upload/stray";

// The identity provider returns a second sign-in to this same address, in a window of its own.
if (!finishPopup()) {
  refuseStrayFiles();
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
