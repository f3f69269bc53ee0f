"""Trading: strategies, risk, the kill switch, the paper broker, positions and the audit trail."""
