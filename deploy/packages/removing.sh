# What both packages do before they are removed, not before an upgrade.
if [ -d /run/systemd/system ]; then
  systemctl disable --now vispa-green-agent.service vispa-green-server.service vispa-green-sync.service \
    vispa-green-replan.timer vispa-green-prune.timer vispa-green-weekly.timer
fi
